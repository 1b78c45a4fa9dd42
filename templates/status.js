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
    const list = document.getElementById("failures");
    list.replaceChildren(...view.failures.map(({ code, stage, count, ago, hint }) => {
      const item = document.createElement("li");
      const [name, how, what] = ["strong", "span", "span"].map((tag) => document.createElement(tag));
      name.textContent = code;
      how.textContent = `at ${stage}, ${count} times, last ${ago}`;
      what.textContent = hint;
      what.className = "hint";
      item.append(name, " ", how, " ", what);
      return item;
    }));
    list.hidden = view.failures.length === 0;
    document.getElementById("no-failures").hidden = !list.hidden;
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
