const wind = document.getElementById("wind");
const show = () => fetch("latest.json")
  .then((answer) => (answer.ok ? answer.json() : { wind: "no reading" }))
  .then((reading) => { wind.textContent = `Wind: ${reading.wind}`; });
show();
setInterval(show, 5000);
