"use strict";
// A click on a patch, or Enter, shows it large, and where in its image it lies; the page is complete without.
const data = JSON.parse(document.getElementById("data").textContent);
const dialog = document.getElementById("large");
const patches = [...document.querySelectorAll(".patch")];
let shown = 0;

function show(index) {
  shown = (index + patches.length) % patches.length;
  const patch = data.patches[patches[shown].dataset.patch];
  const pictures = dialog.querySelector(".large-pictures");
  pictures.replaceChildren(patches[shown].querySelector(".field").cloneNode(true));
  if (patch.whole !== null) {
    const whole = document.createElement("div");
    whole.className = "whole";
    const image = document.createElement("img");
    image.className = "pixels";
    image.src = data.whole[patch.whole];
    image.alt = "The whole image";
    const mark = document.createElement("span");
    mark.className = "mark";
    mark.style.cssText = patch.box;
    whole.append(image, mark);
    pictures.append(whole);
  }
  const card = patches[shown].closest(".card").querySelector("h3").textContent;
  const layer = patches[shown].closest("section").querySelector("h2 code").textContent;
  document.getElementById("large-name").textContent = `${layer}, ${card}: ${patch.value}`;
  const words = document.getElementById("large-words");
  words.replaceChildren();
  for (const [text, name] of [["class ", patch.class], [", image ", patch.image]]) {
    const isolated = document.createElement("bdi");
    isolated.textContent = name;
    words.append(text, isolated);
  }
  words.append(`, ${patch.place}`);
  if (!dialog.open) dialog.showModal();
}

patches.forEach((patch, index) => {
  patch.tabIndex = 0;
  patch.setAttribute("role", "button");
  patch.setAttribute("aria-label", `${patch.querySelector("img").alt}: enlarge`);
  patch.addEventListener("click", () => show(index));
  patch.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      show(index);
    }
  });
});
document.getElementById("earlier").addEventListener("click", () => show(shown - 1));
document.getElementById("later").addEventListener("click", () => show(shown + 1));
document.getElementById("close").addEventListener("click", () => dialog.close());
dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close();
});
dialog.addEventListener("close", () => patches[shown].focus());
dialog.addEventListener("keydown", (event) => {
  if (event.key === "ArrowLeft") show(shown - 1);
  if (event.key === "ArrowRight") show(shown + 1);
});
