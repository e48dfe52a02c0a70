"use strict";
(() => {
  const form = document.getElementById("filter"), list = document.getElementById("finding-list");
  if (!form) return;
  const groups = [...list.querySelectorAll(".rule")], aside = new Map();
  // Of a large report the findings of a rule stand aside as text: they become part of the page when the rule is opened.
  const read = group => {
    const text = group.querySelector(":scope > noscript");
    if (!text) return;
    const whole = document.createElement("template");
    whole.innerHTML = text.textContent;
    text.remove();
    aside.set(group, whole.content);
  };
  const put = group => {
    read(group);
    if (aside.has(group)) group.append(aside.get(group));
    aside.delete(group);
  };
  for (const group of groups) group.addEventListener("toggle", () => { if (group.open) put(group); });
  const known = (place, group) => [...(place || group || list).querySelectorAll(".finding")].map(item =>
    ({ item, group, text: ((group ? group.firstElementChild.textContent + " " : "") + item.textContent).toLowerCase() }));
  let items = null;
  const all = () => {
    groups.forEach(read);
    return items = items || (groups.length ? groups.flatMap(group => known(aside.get(group), group)) : known());
  };
  const field = document.getElementById("find-finding"), output = document.getElementById("found-findings");
  const apply = () => {
    const wanted = field.value.trim().toLowerCase(), hit = new Set();
    const levels = new Set([...form.querySelectorAll("input:checked")].map(box => box.value));
    let shown = 0;
    for (const { item, group, text } of all()) {
      const here = levels.has(item.dataset.severity) && text.includes(wanted);
      item.hidden = !here;
      shown += here;
      if (here) hit.add(group);
    }
    for (const group of groups) {
      group.hidden = !hit.has(group);
      if (wanted && !group.hidden) { put(group); group.open = true; }
    }
    output.textContent = shown === items.length ? "" : shown + " of " + items.length + " shown";
  };
  form.addEventListener("input", apply);
  form.addEventListener("submit", event => event.preventDefault());
})();
