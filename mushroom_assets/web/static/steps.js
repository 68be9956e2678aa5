// Two large buttons beside each number; without this script the number is typed.
"use strict";

function button(input, sign, by) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = sign;
  made.setAttribute("aria-label", `${input.labels[0].textContent.trim()} ${sign}${Math.abs(by)}`);
  made.addEventListener("click", () => {
    const places = Math.max(0, ...[input.value, String(by)].map((text) => (text.split(".")[1] || "").length));
    input.value = (Number(input.value) + by).toFixed(places);
  });
  return made;
}

for (const input of document.querySelectorAll("input[data-step]:not([disabled])")) {
  const by = Number(input.dataset.step);
  const beside = document.createElement("span");
  beside.className = "steps";
  input.replaceWith(beside);
  beside.append(input);
  const less = button(input, "−", -by);
  const more = button(input, "+", by);
  input.before(less);
  input.after(more);
}
