fetch("site.json").then((answer) => answer.json()).then((site) => {
  document.getElementById("site").textContent = `${site.name}, ${site.metres} m above the sea`;
});
