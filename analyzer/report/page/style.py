"""Style and script of the page."""

STYLE = """
:root { color-scheme: light dark; --page: #fff; --ink: #1c2024; --dim: #566069; --line: #d5dade; --soft: #f3f5f7; --none: #eceff1; --all: #2b8a3e; --some: #74b816; --perhaps: #f0a500;
 --bad: #b3261e; --good: #1d6b2c; --unsure: #8a5300; --note: #0b5f8a; --mark: #ffe08a }
@media (prefers-color-scheme: dark) { :root { --page: #16191d; --ink: #e3e7ea; --dim: #a4adb5; --line: #3a4048; --soft: #1e2227; --none: #2a2f36; --bad: #ff8a80; --good: #7bd88f; --unsure: #ffc266; --note: #7cc7f2; --mark: #6b5300 } }
* { box-sizing: border-box } body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif }
.skip { position: absolute; left: -999px } .skip:focus { left: 8px; top: 8px; background: var(--page) }
header, main { max-width: 1200px; margin: 0 auto; padding: 12px 20px } header { border-bottom: 1px solid var(--line) } h1 { font-size: 20px; margin: 0 } h2 { font-size: 17px; margin: 28px 0 8px } h3 { font-size: 15px; margin: 12px 0 4px }
nav ul, .chips { list-style: none; display: flex; flex-wrap: wrap; gap: 6px 14px; padding: 0; margin: 6px 0 } .chips li { border: 1px solid var(--line); border-left-width: 4px; border-radius: 4px; padding: 1px 8px }
.chips a { color: inherit; text-decoration: none } .chips .bad { border-left-color: var(--bad) } .chips .good { border-left-color: var(--good) } .chips .unsure { border-left-color: var(--unsure) } a { color: var(--note) }
.bad, .error, .refuted { color: var(--bad) } .good, .proved { color: var(--good) } .unsure, .warning, .undecided { color: var(--unsure) } .note { color: var(--note) } .dim { color: var(--dim); font-weight: normal }
.chips li { color: var(--ink) } details { border-top: 1px solid var(--line); padding: 4px 0 } summary { cursor: pointer; overflow-wrap: anywhere } details > :not(summary) { margin-left: 16px } article { border-top: 1px solid var(--line); padding-bottom: 8px }
pre { margin: 2px 0 6px; padding: 4px 8px; background: var(--soft); overflow-x: auto; font: 13px/1.5 ui-monospace, monospace } .number { color: var(--dim); padding-right: 12px } mark { background: var(--mark); color: inherit }
code { font: 13px ui-monospace, monospace } .wide { overflow-x: auto; max-width: 100% } table { border-collapse: collapse; font-size: 14px } th, td { text-align: left; vertical-align: top; padding: 3px 12px 3px 0; border-top: 1px solid var(--line); font-weight: normal } thead th { font-weight: 600; border-top: 0 }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%) } form { display: flex; flex-wrap: wrap; gap: 6px 16px; align-items: center; margin-bottom: 6px } input[type=search] { font: inherit; padding: 3px 6px; min-width: 240px }
.depth1 { padding-left: 16px } .depth2 { padding-left: 32px } .depth3 { padding-left: 48px } .bar { vertical-align: middle } .bar .around { fill: var(--none) } .bar .network { fill: var(--some) } .bar .used { fill: var(--all) }
.path { max-width: 100%; height: auto; font: 12px system-ui, sans-serif } .path rect { fill: var(--soft); stroke: var(--dim) } .path text { fill: var(--ink) } .path .name { font-weight: 600 } .path .bad rect { stroke: var(--bad); stroke-width: 2 } .path .good rect { stroke: var(--good); stroke-width: 2 } .arrow { fill: none; stroke: var(--dim); stroke-width: 1.5 }
.topology { max-width: 100%; height: auto; font: 12px system-ui, sans-serif } .topology rect { fill: var(--soft); stroke: var(--dim) } .topology text { fill: var(--ink) } .topology .name { font-weight: 600 } .lost { fill: none; stroke: var(--bad); stroke-width: 2 }
.talk { display: flex; flex-wrap: wrap; gap: 24px } #matrix { overflow: auto; max-height: 80vh; max-width: 100% } #matrix th { text-align: right; padding: 0 6px; white-space: nowrap; border: 0 } #matrix td { padding: 0; min-width: 24px; border: 1px solid var(--page) }
#matrix th.column { writing-mode: vertical-rl; transform: rotate(180deg); text-align: left; padding: 6px 0 } #matrix button { width: 24px; height: 24px; border: 0; padding: 0; cursor: pointer } :focus-visible { outline: 2px solid var(--note); outline-offset: 1px }
.talk .none { background: var(--none) } .talk .all { background: var(--all) } .talk .some { background: var(--some) } .talk .perhaps { background: var(--perhaps) } .legend span { display: inline-block; width: 12px; height: 12px; margin-left: 8px } .faded { opacity: .45 } #detail { flex: 1; min-width: 280px; overflow-x: auto }
@media print { nav, form { display: none } }
"""

FILTER = """
"use strict";
(() => {
  const form = document.getElementById("filter"), list = document.getElementById("finding-list");
  if (!form) return;
  const items = [...list.children], texts = items.map(item => item.textContent.toLowerCase()), output = document.getElementById("found-findings");
  const apply = () => {
    const wanted = document.getElementById("find-finding").value.trim().toLowerCase();
    const levels = new Set([...form.querySelectorAll("input:checked")].map(box => box.value));
    let shown = 0;
    items.forEach((item, n) => { const hit = levels.has(item.dataset.severity) && texts[n].includes(wanted); item.hidden = !hit; shown += hit; });
    output.textContent = shown === items.length ? "" : shown + " of " + items.length + " shown";
  };
  form.addEventListener("input", apply);
  form.addEventListener("submit", event => event.preventDefault());
})();
"""
