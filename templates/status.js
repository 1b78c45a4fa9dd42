"use strict";
// Keeps the page up to date by server-sent events. Everything is put in as text, never as markup.
(() => {
  const button = document.getElementById("pause");
  const connection = document.getElementById("connection");
  let source = null;

  function show(view) {
    for (const { key, text } of view.values) {
      for (const place of document.querySelectorAll(`[data-key="${key}"]`)) {
        if (place.textContent !== text) place.textContent = text;
      }
    }
    for (const { key, points, most, told } of view.plots) {
      const plot = document.getElementById(`plot-${key}`);
      plot.querySelector("polyline").setAttribute("points", points);
      plot.setAttribute("aria-label", told);
      document.getElementById(`most-${key}`).textContent = most;
    }
    const rows = view.failures.map((failure) => {
      const row = document.createElement("tr");
      const cells = [failure.code, failure.stage, failure.count, failure.ago, failure.hint];
      for (const [index, text] of cells.entries()) {
        const cell = document.createElement("td");
        cell.textContent = text;
        if (index === cells.length - 1) cell.className = "words";
        row.append(cell);
      }
      return row;
    });
    document.getElementById("failures").replaceChildren(...rows);
    document.getElementById("no-failures").hidden = rows.length > 0;
    document.getElementById("some-failures").hidden = rows.length === 0;
  }

  function start() {
    source = new EventSource("events");
    source.onopen = () => { connection.textContent = "updated every 2 s"; };
    source.onmessage = (event) => show(JSON.parse(event.data));
    // It asks again by itself, also after each orderly end of the stream.
    source.onerror = () => { connection.textContent = "asking again"; };
  }

  function stop() {
    source.close();
    source = null;
    connection.textContent = "paused";
  }

  button.addEventListener("click", () => {
    if (source) stop(); else start();
    button.setAttribute("aria-pressed", String(!source));
  });
  button.hidden = false;
  start();
})();
