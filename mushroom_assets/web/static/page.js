// Renews what a page shows without losing the reader's place; draws the charts where there are any.
// Without this script a page reloads by itself and its numbers stand in tables.
"use strict";

const seconds = Number(document.body.dataset.refresh);
const offline = document.querySelector(".offline");

function isBusy() {
  const at = document.activeElement;
  const fields = [...document.querySelectorAll("main textarea, main input:not([type=hidden])")];
  const isTyped = fields.some((one) => one.value !== one.defaultValue);
  return document.hidden || isTyped || (at && at.matches("input, select, textarea"));
}

async function renew() {
  if (isBusy()) return;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
    const told = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = told.querySelector("main");
    if (!fresh) return;
    const open = [...document.querySelectorAll("details[open]")].map((one) => one.id);
    const swiped = [...document.querySelectorAll(".strip")].map((one) => one.scrollLeft);
    document.querySelector("main").replaceWith(fresh);
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    document.querySelectorAll(".strip").forEach((one, place) => { one.scrollLeft = swiped[place] || 0; });
    document.title = told.title;
    document.body.dataset.refresh = told.body.dataset.refresh;
    offline.hidden = true;
    window.drawCharts?.();
  } catch {
    offline.hidden = false; // the server itself is away
  }
}

function wait() {
  const every = Number(document.body.dataset.refresh);
  if (!every) return;
  setTimeout(async () => { await renew(); wait(); }, every * 1000);
}

wait();
if (seconds) document.addEventListener("visibilitychange", () => { if (!document.hidden) renew(); });
