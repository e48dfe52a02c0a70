"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const make = (tag, text, kind) => { const e = document.createElement(tag); if (text) e.textContent = text; if (kind) e.className = kind; return e; };
  const cells = new Map(data.cells.map(c => [c[0] + " " + c[1], c]));
  const kindOf = c => c[2] ? (c[3] ? "all" : "some") : "perhaps";
  const detail = document.getElementById("detail"), MOST = 2000;
  function show(a, b) {
    detail.replaceChildren(make("h2", data.spaces[a] + " to " + data.spaces[b]));
    const table = make("table"), rows = [];
    for (const [from, to, what, why] of data.links) {
      const left = from.filter(n => data.space[n] === a), right = to.filter(n => data.space[n] === b);
      for (const s of left) for (const d of right) if (!(s === d && data.single[s])) rows.push([data.names[s], data.names[d], what, why]);
    }
    rows.sort((x, y) => x[0] < y[0] ? -1 : x[0] > y[0] ? 1 : x[1] < y[1] ? -1 : x[1] > y[1] ? 1 : 0);
    for (const row of rows.slice(0, MOST)) {
      const line = make("tr");
      line.append(make("td", row[0]), make("td", row[1]), make("td", row[2]), make("td", row[3] ? "not certain: " + row[3] : ""));
      table.append(line);
    }
    detail.append(rows.length ? table : make("p", "nothing"));
    if (rows.length > MOST) detail.append(make("p", "and " + (rows.length - MOST) + " more pairs"));
  }
  let chosen = null;
  function choose(button) {
    if (chosen) chosen.removeAttribute("aria-pressed");
    (chosen = button).setAttribute("aria-pressed", "true");
    detail.scrollIntoView({ block: "nearest" });
  }
  const table = make("table"), head = make("tr"), headers = [];
  head.append(make("th"));
  data.spaces.forEach((name, n) => { const h = make("th", name, "column"); headers[n] = [h]; head.append(h); });
  table.append(head);
  data.spaces.forEach((name, a) => {
    const line = make("tr"), h = make("th", name);
    headers[a].push(h);
    line.append(h);
    data.spaces.forEach((other, b) => {
      const c = cells.get(a + " " + b), cell = make("td", "", "none");
      line.append(cell);
      if (!c) return;
      const button = make("button", "", kindOf(c));
      button.title = name + " to " + other + ": " + c[2] + " pairs" + (c[4] ? ", " + c[4] + " not certain" : "");
      button.setAttribute("aria-label", button.title);
      button.addEventListener("click", () => { show(a, b); choose(button); });
      cell.append(button);
    });
    table.append(line);
  });
  document.getElementById("matrix").append(table);
  const count = data.cells.reduce((sum, c) => sum + c[2], 0);
  const counted = (number, word) => number + " " + word + (number === 1 ? "" : "s");
  document.getElementById("summary").textContent = counted(data.names.length, "endpoint or network").replace("endpoint or networks", "endpoints and networks") +
    " in " + counted(data.spaces.length, "group") + ", " + counted(count, "pair") + " that may talk; policies read as by the network system: " + data.profile;
  document.getElementById("find").addEventListener("input", event => {
    const wanted = event.target.value.trim().toLowerCase();
    data.spaces.forEach((name, n) => {
      const hit = !wanted || name.toLowerCase().includes(wanted) || data.names.some((x, i) => data.space[i] === n && x.toLowerCase().includes(wanted));
      for (const h of headers[n]) h.classList.toggle("faded", !hit);
    });
  });
  if (data.through.length) {
    detail.append(make("h2", "From outside, through services"));
    const ways = make("table");
    for (const [kind, name, service, source, target, what, admitted, why, requests] of data.through) {
      const line = make("tr"), verdict = admitted === true ? "reaches" : admitted === false ? "is kept from" : "may reach";
      line.append(make("td", kind + " " + name), make("td", requests), make("td", service ? "service " + service : ""), make("td", source + " " + verdict + " " + target), make("td", what), make("td", why));
      ways.append(line);
    }
    detail.append(ways);
  }
})();
