"use strict";
// The page works without this: links open the cells of the confusion matrix. Here are the keys:
// arrows move within the matrix, Escape closes what it has opened.
(() => {
  const matrix = document.getElementById("matrix");
  if (!matrix) return;

  const rows = Array.from(matrix.tBodies[0].rows, (row) => Array.from(row.cells).slice(1));
  const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

  matrix.addEventListener("keydown", (event) => {
    const move = moves[event.key];
    const cell = event.target.closest("td");
    if (!move || !cell) return;
    let row = rows.findIndex((cells) => cells.includes(cell));
    let column = rows[row].indexOf(cell);
    // Cells without images have no link: go on to the next that has.
    do {
      row += move[0];
      column += move[1];
    } while (rows[row]?.[column] && !rows[row][column].querySelector("a"));
    const link = rows[row]?.[column]?.querySelector("a");
    if (link) {
      event.preventDefault();
      link.focus();
    }
  });

  const opener = () => matrix.querySelector('a[aria-current="true"]');

  const mark = () => {
    opener()?.removeAttribute("aria-current");
    const wanted = location.hash;
    for (const link of matrix.querySelectorAll("a")) {
      if (link.hash && link.hash === wanted) link.setAttribute("aria-current", "true");
    }
  };
  addEventListener("hashchange", mark);
  mark();

  document.addEventListener("keydown", (event) => {
    const link = opener();
    if (event.key !== "Escape" || !link) return;
    location.hash = "matrix";
    link.focus();
  });
})();
