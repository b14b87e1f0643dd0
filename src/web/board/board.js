// Keeps an open page up to date, filters, and sends what people do. The page is whole without it.
const $ = (id) => document.getElementById(id);
const words = JSON.parse($("words").textContent);
const body = document.body;
const lang = document.documentElement.lang;
const fill = (text, ...args) => text.replace(/\{(\d)\}/g, (_, n) => args[n]);
const store = {
  get(key) { try { return localStorage.getItem(key); } catch { return null; } },
  set(key, value) { try { localStorage.setItem(key, value); } catch { /* private windows keep nothing */ } },
};

// --- time: the server's clock counts, wherever this one stands ---
let ahead = Number(body.dataset.now) - Date.now();
let taken = Number(body.dataset.taken);
let heard = performance.now();
const now = () => Date.now() + ahead;

function lasting(ms, short) {
  const [d, h, m, m1] = words.units;
  const min = Math.max(0, Math.floor(ms / 60000)), hours = Math.floor(min / 60), days = Math.floor(hours / 24);
  if (short) return min < 1 ? "<1 " + m1 : min < 60 ? `${min} ${m1}` : hours < 24 ? `${hours} ${h}` : `${days} ${d}`;
  if (min < 1) return words.moment;
  if (hours < 1) return `${min} ${m}`;
  return days < 1 ? `${hours} ${h} ${min % 60} ${m}` : `${days} ${d} ${hours % 24} ${h}`;
}
function countdown(ms) {
  const s = Math.floor(ms / 1000), two = (n) => String(n).padStart(2, "0");
  if (s <= 0) return words.now;
  if (s >= 86400) return lasting(ms);
  const h = Math.floor(s / 3600);
  return (h ? h + ":" + two(Math.floor(s / 60) % 60) : String(Math.floor(s / 60))) + ":" + two(s % 60);
}
const set = (node, text) => { if (node.textContent !== text) node.textContent = text; };
function tell(root = document) {
  const at = now();
  for (const it of root.querySelectorAll("time[data-since]"))
    set(it, lasting(at - it.dataset.since, "short" in it.dataset));
  for (const it of root.querySelectorAll("time[data-until]")) set(it, countdown(it.dataset.until - at));
}
let ticks = 0;
setInterval(() => {
  // Counts of minutes need no more than a look now and then.
  if (ticks++ % 5 === 0) tell();
  else for (const it of document.querySelectorAll("time[data-until]")) set(it, countdown(it.dataset.until - now()));
  fresh();
}, 1000);

// --- how old what is shown is ---
const QUIET = 12000, OLD = 15000, TORN = 3000;
function fresh() {
  if (!body.dataset.place) return;
  const silent = performance.now() - heard, age = now() - taken;
  const seconds = (ms) => ms < 60000 ? `${Math.round(ms / 1000)} ${words.seconds}` : lasting(ms);
  const away = failing || silent > QUIET || (torn && performance.now() - torn > TORN);
  const text = away ? fill(words.lost, seconds(age)) : age > OLD ? fill(words.old, seconds(age)) : "";
  const stale = $("stale"), note = text || (tries > 2 ? words.crowded : "");
  if (note) {
    // The count is for the eye; only that it is old is read out.
    if (stale.hidden) say(note);
    set(stale, note);
  }
  if (stale.hidden === !!note) {
    stale.hidden = !note;
    if (!note) say(words.back);
  }
  body.classList.toggle("old", !!text);
}
function clock(ms) {
  taken = ms;
  const it = $("taken");
  const zone = body.dataset.zone;
  try { set(it, new Date(ms).toLocaleTimeString("en-GB", { timeZone: zone })); } catch { /* a zone this browser lacks */ }
}

// --- what is read out: few words, seldom ---
let spoken = 0, waiting = null;
function say(text) {
  clearTimeout(waiting);
  const rest = Math.max(0, spoken + 4000 - Date.now());
  waiting = setTimeout(() => { spoken = Date.now(); $("say").textContent = text; }, rest);
}

// --- the live stream ---
let source = null, failing = false, torn = 0, tries = 0, retry = null;
function follow() {
  if (!body.dataset.place) return;
  clearTimeout(retry);
  source?.close();
  source = new EventSource(`/live?lang=${lang}&after=${body.dataset.place}`);
  source.addEventListener("beat", (event) => {
    const beat = JSON.parse(event.data);
    tries = 0;
    hear(beat);
    if (refreshes) again();
  });
  source.addEventListener("delta", (event) => {
    const delta = JSON.parse(event.data);
    tries = 0;
    hear(delta);
    body.dataset.place = event.lastEventId;
    if (refreshes) again();
    else calmly(() => apply(delta));
  });
  source.addEventListener("again", () => { source.close(); source = null; again(); });
  source.onerror = lose;
}
function hear({ now: at, taken: of }) {
  heard = performance.now();
  failing = false;
  torn = 0;
  ahead = at - Date.now();
  clock(of);
  fresh();
}
// Without a stream, because the server has no place for another, the page is loaded now and then.
function lose() {
  source?.close();
  source = null;
  if (!tries) torn = performance.now();
  // Half to one and a half of twice the last wait, so that hundreds do not come at once.
  const wait = Math.min(5000, 500 * 2 ** tries) * (0.5 + Math.random());
  clearTimeout(retry);
  retry = setTimeout(tries++ ? again : follow, wait);
}
// Whoever presses a button presses what they see: no part gives way to another until they let go,
// or the click would belong to what is gone and nothing would come of it.
let pressed = 0, held = [];
const calmly = (change) => { if (pressed) held.push(change); else change(); };
function release() {
  clearTimeout(pressed);
  pressed = 0;
  for (const change of held.splice(0)) change();
}
addEventListener("pointerdown", () => { clearTimeout(pressed); pressed = setTimeout(release, 30000); }, true);
// The click follows at once.
for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => setTimeout(release), true);

// Loads the page anew: the board as a whole, other pages only in their live parts.
const refreshes = "refresh" in body.dataset;
const served = new Map();
for (const part of document.querySelectorAll("[data-live]")) served.set(part.id, part.innerHTML);
let loading = false;
async function again() {
  if (loading) return;
  loading = true;
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" }, cache: "no-store" });
    if (!answer.ok && answer.status !== 404) throw new Error(answer.status);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (page.body.dataset.build !== body.dataset.build) return location.reload();
    await new Promise(calmly);
    if (refreshes) {
      for (const part of page.querySelectorAll("[data-live]")) renew(part);
      const run = page.getElementById("summary")?.dataset.run;
      if (run && run !== $("summary").dataset.run) {
        $("summary").dataset.run = run;
        if (asking) { asking = false; set($("checking"), ""); say(words.checked); }
      }
    } else {
      const form = $("filters"), kept = form && new FormData(form);
      const opened = [...document.querySelectorAll("details[open]")].map((it) => it.closest("[id]")?.id);
      $("main").replaceChildren(...page.getElementById("main").childNodes);
      for (const id of opened) id && $(id)?.querySelector("details")?.setAttribute("open", "");
      if (kept) for (const [name, value] of kept) $("filters").elements[name].value = value;
    }
    body.dataset.place = page.body.dataset.place ?? "";
    hear({ now: Number(page.body.dataset.now), taken: Number(page.body.dataset.taken) });
    begin();
    if (!source || source.readyState === EventSource.CLOSED) follow();
  } catch { failing = true; fresh(); lose(); } finally { loading = false; }
}
// Puts a part as it is now in place of what it was, unless that reads the same.
function renew(part) {
  const old = $(part.id), html = part.innerHTML;
  if (!old || served.get(part.id) === html) return;
  served.set(part.id, html);
  const focused = old.contains(document.activeElement) && document.activeElement;
  const again = focused && ["act", "site", "lift", "probe", "ready"].filter((key) => key in focused.dataset)
    .map((key) => `[data-${key}="${CSS.escape(focused.dataset[key])}"]`).join("");
  const open = [...old.querySelectorAll("details")].map((it) => it.open);
  old.replaceChildren(...part.childNodes);
  old.querySelectorAll("details").forEach((it, at) => { it.open = open[at] ?? it.open; });
  if (again) old.querySelector(again)?.focus();
}
addEventListener("online", () => { if (failing) { tries = 0; follow(); } });
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && (failing || performance.now() - heard > QUIET)) { tries = 0; follow(); }
});
setInterval(() => { if (!failing && performance.now() - heard > QUIET + 3000) lose(); }, 3000);

// --- what changed ---
const MAINTENANCE = 1, SILENCED = 2, SUSPECTED = 4, APART = 8;
function apply(delta) {
  for (const it of delta.cells ?? []) cell(it);
  for (const [id, content] of delta.parts ?? []) {
    const part = $(id);
    if (part) { part.innerHTML = content; tell(part); }
  }
  if (delta.order || delta.cards) cards(delta);
  const lost = delta.lost ? `(${delta.lost}✕) ` : "";
  document.title = lost + words.title;
  if (delta.cells) { count(); columns(); }
}
function cell([at, state, since, flags, delegates]) {
  const it = $("s" + at);
  if (!it) return;
  const [word, sign, name] = words.states[state], told = state !== 0 && state !== 4 && since;
  const planned = flags & MAINTENANCE ? words.maintenance : flags & SILENCED ? words.silenced : "";
  const before = it.className.split(" ");
  it.className = ["c", word, planned && "planned", flags & SUSPECTED && "suspected", flags & APART && "apart"].filter(Boolean).join(" ");
  if (!before.includes(word)) { it.classList.add("fresh"); setTimeout(() => it.classList.remove("fresh"), 4000); }
  const label = it.querySelector("b").textContent;
  it.title = `${label}: ${name}${planned && ", " + planned}`;
  set(it.querySelector("i"), sign);
  set(it.querySelector(".v"), ": " + name + (planned && ", " + planned));
  let age = it.querySelector("time"), people = it.querySelector("small");
  if (told) {
    if (!age) { age = document.createElement("time"); age.dataset.short = ""; it.querySelector(".v").after(age); }
    age.dataset.since = since;
    set(age, lasting(now() - since, true));
  } else age?.remove();
  if (delegates) {
    if (!people) it.append(people = document.createElement("small"));
    set(people, delegates.toLocaleString(lang));
  } else people?.remove();
  show(it);
}
function cards(delta) {
  const list = $("cards"), made = document.createElement("template");
  const held = document.activeElement?.closest("#cards .card")?.id;
  const act = document.activeElement?.dataset?.act;
  const added = [];
  for (const html of delta.cards ?? []) {
    made.innerHTML = html;
    const card = made.content.firstElementChild, old = $(card.id);
    if (old) {
      if (old.querySelector("details[open]")) card.querySelector("details").open = true;
      old.replaceWith(card);
    } else {
      list.append(card);
      added.push(card.querySelector("h3").textContent.trim());
    }
    tell(card);
  }
  if (delta.order) {
    const wanted = new Set(delta.order);
    let gone = 0;
    for (const card of [...list.children]) if (!wanted.has(card.id)) { card.remove(); gone++; }
    delta.order.forEach((id, at) => {
      const card = $(id);
      if (card && list.children[at] !== card) list.insertBefore(card, list.children[at] ?? null);
    });
    if (gone && !added.length) say(fill(words.gone, gone));
  }
  if (added.length) say(fill(words.fresh, added.length, added[0]));
  if (held && !document.activeElement?.closest(".card"))
    ($(held)?.querySelector(act ? `[data-act=${act}]` : "a") ?? $("main")).focus();
  reach();
  set($("active"), String(delta.active));
  $("calm").hidden = delta.active > 0;
}

// --- a district that goes on in the next column says there whose it is ---
function repeat() {
  const grid = $("grid");
  if (!grid || grid.classList.contains("many")) return;
  const left = (it) => Math.round(it.getBoundingClientRect().left);
  const find = () => {
    const marks = new Map();
    for (const group of grid.querySelectorAll(".group:not([hidden])")) {
      const head = group.querySelector("h2"), far = group.querySelector("ul")?.getClientRects()[0]?.width ?? Infinity;
      let start = left(head);
      for (const it of group.querySelectorAll("li:not([hidden])"))
        if (left(it) >= start + far) { start = left(it); marks.set(it, (head.querySelector("b") ?? head.firstChild).textContent); }
    }
    return marks;
  };
  // What is written takes room, which may move the place where it belongs.
  let marks = new Map();
  for (let turn = 0; turn < 4; turn++) {
    const found = grid.clientWidth < 500 ? new Map() : find();
    if (turn && [...found.keys()].every((it) => marks.has(it)) && found.size === marks.size) break;
    for (const it of grid.querySelectorAll("li[data-again]")) if (!found.has(it)) delete it.dataset.again;
    for (const [it, name] of found) it.dataset.again = name;
    marks = found;
  }
}
let repeating = 0;
const columns = () => { cancelAnimationFrame(repeating); repeating = requestAnimationFrame(repeat); };
addEventListener("resize", columns);

// --- a wall cannot be scrolled: how many incidents are below its edge is said ---
const below = new Set();
const edge = new IntersectionObserver((seen) => {
  for (const { target, isIntersecting, boundingClientRect: box, rootBounds } of seen)
    isIntersecting || !rootBounds || box.top < rootBounds.top ? below.delete(target) : below.add(target);
  const more = $("more");
  if (!more) return;
  const count = [...below].filter((it) => it.isConnected).length;
  more.hidden = !count;
  set(more, fill(words.more, count));
}, { threshold: 0.6 });
function reach() {
  below.clear();
  edge.disconnect();
  for (const card of document.querySelectorAll("#cards .card")) edge.observe(card);
}

// --- what comes from the disk: brought once its place is in sight, and again now and then ---
const LATER = 60000;
let brought = null;
async function bring(address) {
  const place = $("history");
  brought = { address, at: performance.now() };
  place.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(address, { headers: { accept: "text/html" }, cache: "no-store" });
    if (!answer.ok) throw new Error(answer.status);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const part = page.getElementById("history");
    // What somebody chose meanwhile counts.
    if (!part || brought.address !== address) return;
    const opened = [...place.querySelectorAll("details")].map((it) => it.open);
    const focused = place.contains(document.activeElement) && document.activeElement.getAttribute("href");
    const same = [...place.querySelectorAll("details")].length === part.querySelectorAll("details").length;
    place.replaceChildren(...part.childNodes);
    if (same) place.querySelectorAll("details").forEach((it, at) => { it.open = opened[at]; });
    if (focused) place.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  } catch { /* the link is still there, or what was brought before */ } finally { place.removeAttribute("aria-busy"); }
}
const lazy = document.querySelector("[data-lazy]");
if (lazy) {
  new IntersectionObserver((seen, observer) => {
    if (!seen.some((it) => it.isIntersecting)) return;
    observer.disconnect();
    if (!brought) bring(lazy.dataset.lazy);
  }, { rootMargin: "400px" }).observe(lazy);
  lazy.addEventListener("click", (event) => {
    const link = event.target.closest(".choice a, .links a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    bring(link.getAttribute("href"));
  });
  setInterval(() => {
    if (brought && !document.hidden && !failing && performance.now() - brought.at > LATER) bring(brought.address);
  }, 5000);
}

// --- search and filters ---
// "bang lung" finds Bằng Lũng: tone and vowel marks are combining once decomposed, đ is a letter.
const plain = (text) => text.normalize("NFD").replace(/[\u0300-\u036f]/g, "").replace(/đ/gi, "d").toLowerCase();
const names = new WeakMap();
const id = (cell) => decodeURIComponent(cell.getAttribute("href").split("/").pop());
function name(cell) {
  let it = names.get(cell);
  // Words are found from their beginning, so that "huyen uy" is not every Huyện.
  if (it === undefined) names.set(cell, it = plain(` ${cell.querySelector("b").textContent} ${id(cell)} ${id(cell).replaceAll("-", " ")}`));
  return it;
}
// What no page holds, addresses of devices and official codes, the server looks for.
let further = { q: "", ids: new Set() }, seeking = null;
function seek(q) {
  clearTimeout(seeking);
  if (q === further.q) return;
  if (!/\d/.test(q) || q.length < 3) { further = { q, ids: new Set() }; return; }
  seeking = setTimeout(async () => {
    try {
      const answer = await fetch("/api/v1/sites?limit=200&search=" + encodeURIComponent(q));
      if (!answer.ok) return;
      const { sites } = await answer.json();
      further = { q, ids: new Set(sites.map((it) => it.id)) };
      filter();
    } catch { /* names are found all the same */ }
  }, 200);
}
let wanted = { q: [], state: "", level: "", group: "" };
const BAD = ["degraded", "fault", "lost", "unknown"];
function matches(cell) {
  const { q, state, level, group } = wanted;
  if (state && !(state === "bad" ? BAD : [state]).some((it) => cell.classList.contains(it))) return false;
  if (level && cell.dataset.level !== level) return false;
  if (group && cell.closest(".group").dataset.group !== group) return false;
  return !q.length || q.every((word) => name(cell).includes(" " + word)) || further.ids.has(id(cell));
}
function show(cell) {
  const item = cell.closest("li") ?? cell;
  const hide = !matches(cell);
  if (item.localName === "li") { if (item.hidden !== hide) item.hidden = hide; }
  else cell.classList.toggle("faded", hide);
}
function filter() {
  const form = $("filters");
  if (!form) return;
  const asked = Object.fromEntries(new FormData(form));
  wanted = { ...asked, q: plain(asked.q).split(/\s+/).filter(Boolean) };
  seek(asked.q.trim());
  const any = asked.q || asked.state || asked.level || asked.group;
  for (const cell of document.querySelectorAll("#grid .c")) show(cell);
  for (const group of document.querySelectorAll("#grid .group"))
    group.hidden = !!any && !group.querySelector("li:not([hidden])") && !group.querySelector("h2 .c:not(.faded)");
  const query = new URLSearchParams(location.search);
  for (const [key, value] of Object.entries(asked)) value ? query.set(key, value) : query.delete(key);
  const search = query.size ? "?" + query : "";
  if (location.search !== search) history.replaceState(null, "", location.pathname + search + location.hash);
  for (const it of document.querySelectorAll("#totals [data-state]"))
    it.toggleAttribute("aria-current", it.dataset.state === asked.state);
  columns();
  count();
}
function count() {
  const form = $("filters");
  if (!form) return;
  const any = [...form.elements].some((it) => it.value);
  const all = document.querySelectorAll("#grid .c").length;
  const found = any ? document.querySelectorAll("#grid li:not([hidden]) .c, #grid h2 .c:not(.faded)").length : all;
  set($("found"), !any ? "" : found ? fill(words.found, found, all) : words.none);
}
function begin() {
  const form = $("filters");
  tell();
  reach();
  columns();
  if (!form) return;
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    document.querySelector("#grid li:not([hidden]) .c")?.focus();
  });
  filter();
}
document.addEventListener("click", (event) => {
  const total = event.target.closest?.("#totals [data-state]");
  if (!total || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  const select = $("filters").elements.state;
  select.value = select.value === total.dataset.state ? "" : total.dataset.state;
  filter();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !event.target.closest("input,textarea,select")) {
    const search = $("filters")?.elements.q;
    if (search) { event.preventDefault(); search.focus(); }
  }
  // Arrows go from cell to cell.
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (step && event.target.classList?.contains("c")) {
    const shown = [...document.querySelectorAll("#grid .c")].filter((it) => it.checkVisibility());
    shown[shown.indexOf(event.target) + step]?.focus();
    event.preventDefault();
  }
});

// --- acts ---
const ask = $("ask");
let doing = null;
async function send(method, path, what) {
  const answer = await fetch(path, {
    method, headers: { "content-type": "application/json", accept: "application/json" },
    body: what && JSON.stringify(what),
  }).catch(() => { throw failure(0); });
  if (answer.ok) return answer.headers.has("content-type") ? answer.json() : null;
  const said = await answer.json().catch(() => ({}));
  throw Object.assign(failure(answer.status, said.error ?? answer.status), { held: said.held });
}
// What to tell people, and what the server says of it.
function failure(status, why) {
  const said = words.failed[status] ?? words.failed[400];
  return Object.assign(new Error(why ? `${said} (${why})` : said), { status });
}
document.addEventListener("click", (event) => {
  const button = event.target.closest?.("button[data-act]");
  if (button) {
    const card = button.closest("[data-incident]");
    doing = { act: button.dataset.act, incident: card?.dataset.incident, site: button.dataset.site, over: "over" in button.dataset };
    doing.session = button.closest("[data-session]")?.dataset.session;
    for (const it of ask.querySelectorAll("[data-for]")) it.hidden = !it.dataset.for.split(" ").includes(doing.act);
    set($("ask-what"), button.dataset.name ?? (card?.querySelector("h1,h3") ?? document.querySelector("h1")).textContent.trim());
    const form = ask.querySelector("form");
    form.elements.by.value = store.get("by") ?? "";
    form.elements.note.value = "";
    form.elements.note.required = doing.act !== "confirm";
    form.elements.until.value = "";
    ask.querySelector(".error").hidden = true;
    ask.showModal();
    form.elements[form.elements.by.value ? "note" : "by"].focus();
    return;
  }
  const reason = event.target.closest?.("button[data-say]");
  if (reason) {
    const { note } = reason.form.elements;
    note.value = reason.textContent;
    note.focus();
    return;
  }
  const lift = event.target.closest?.("button[data-lift]");
  if (lift) {
    lift.disabled = true;
    send("DELETE", `/api/v1/silences/${encodeURIComponent(lift.dataset.lift)}`)
      .then(() => { say(words.done); return refreshes && again(); }, (failed) => { lift.disabled = false; alert(failed.message); });
  } else if (event.target.closest?.("[data-close]")) event.target.closest("dialog").close();
});
ask?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target, button = form.querySelector("[type=submit]"), error = form.querySelector(".error");
  const { by, note, hours, until } = Object.fromEntries(new FormData(form));
  store.set("by", by);
  button.disabled = true;
  try {
    const later = (ms) => new Date(now() + ms).toISOString();
    if (doing.act === "ack") {
      const end = /^\d+$/.test(until) ? later(until * 60000) : until || undefined;
      await send("POST", `/api/v1/incidents/${encodeURIComponent(doing.incident)}/ack`, { by, note, until: end, take_over: doing.over });
    }
    else if (doing.act === "confirm") {
      const { picture, sound } = form.elements;
      await send("POST", `/api/v1/sessions/${encodeURIComponent(doing.session)}/confirmations`,
        { site: doing.site, picture: picture.checked, sound: sound.checked, by, note });
    } else {
      await send("POST", "/api/v1/silences", { site: doing.site, by, reason: note, until: later(hours * 3600000) });
    }
    ask.close();
    say(words.done);
    if (refreshes) again();
  } catch (failed) {
    // Somebody else was faster: that is told, and not passed over.
    if (failed.held) doing.over = true;
    set(error, failed.held ? fill(words.held, failed.held.by) : failed.message);
    error.hidden = false;
  } finally { button.disabled = false; }
});

// --- looking now whether all are ready ---
let asking = false;
document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("button[data-ready]");
  if (!button || asking) return;
  const line = $("checking");
  line.className = "";
  asking = true;
  set(line, words.checking);
  try {
    await send("POST", `/api/v1/sessions/${encodeURIComponent(button.dataset.ready)}/readiness/runs`);
  } catch (failed) {
    asking = false;
    line.className = "error";
    set(line, failed.message);
  }
});

// --- probing now ---
let probing = false;
function element(name, text, ...children) {
  const it = document.createElement(name);
  if (text) it.textContent = text;
  it.append(...children);
  return it;
}
function probed({ taken: at, targets }) {
  const failed = targets.filter((it) => it.outcome?.failure), late = targets.filter((it) => !it.outcome);
  const good = targets.length - failed.length - late.length;
  const zone = body.dataset.zone, time = new Date(at).toLocaleTimeString("en-GB", { timeZone: zone });
  const rows = targets.map(({ endpoint, check, outcome }) => {
    const story = outcome?.story ?? [];
    const sign = !outcome ? "?" : outcome.failure ? "✕" : "✓";
    const last = outcome ? story.at(-1)?.replace(/^=> /, "") : words.unfinished;
    const row = element("details", "", element("summary", `${sign} ${endpoint} · ${check}: ${last}`));
    const steps = element("ol", "", ...story.map((line) => element("li", line)));
    steps.className = "steps";
    row.append(steps);
    row.open = !!outcome?.failure;
    return row;
  });
  $("probed").replaceChildren(element("h2", fill(words.probed, time, good, targets.length)), ...rows);
}
document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("button[data-probe]");
  if (!button || probing) return;
  probing = true;
  $("probed").replaceChildren(element("p", words.probing));
  try {
    probed(await send("POST", `/api/v1/sites/${encodeURIComponent(button.dataset.probe)}/probe?lang=${lang}`));
    again();
    if (brought) bring(brought.address);
  } catch (failed) {
    const error = element("p", failed.message);
    error.className = "error";
    $("probed").replaceChildren(error);
  } finally { probing = false; }
});

// --- light or dark ---
const theme = new URLSearchParams(location.search).get("theme") ?? store.get("theme");
function paint(it) {
  if (it === "dark" || it === "light") document.documentElement.dataset.theme = it;
  else delete document.documentElement.dataset.theme;
}
if (new URLSearchParams(location.search).has("theme")) store.set("theme", theme);
paint(theme);
$("theme").hidden = false;
$("theme").addEventListener("click", () => {
  const dark = getComputedStyle(document.documentElement).colorScheme.trim() === "dark"
    || (!document.documentElement.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
  const next = dark ? "light" : "dark";
  store.set("theme", next);
  paint(next);
});
$("lang").addEventListener("click", (event) => {
  // What was looked for stays in the address.
  const query = new URLSearchParams(location.search);
  query.set("lang", event.currentTarget.lang);
  event.currentTarget.href = "?" + query + location.hash;
});

// What an address asks for at first.
const first = $("filters");
if (first) for (const [key, value] of new URLSearchParams(location.search)) if (first.elements[key]) first.elements[key].value = value;
begin();
follow();
