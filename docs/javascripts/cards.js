// Opens the card that a link leads to. Without it the card is there to be opened.
(() => {
  const open = () => {
    const card = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!card) return;
    for (let part = card; part; part = part.parentElement) if (part.matches("details")) part.open = true;
    card.scrollIntoView();
  };
  addEventListener("hashchange", open);
  open();
})();
