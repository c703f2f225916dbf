// A finger that rests on something: what hovering is to a mouse.

/** After so many milliseconds; further than so many pixels, the finger scrolls. */
const HOLD = 450,
  MOVED = 10;

/** Call `held` with the element that a finger rests on; the touch is then no click, and opens no menu of the browser. */
export function whenHeld(node, held) {
  let timer = 0,
    from = null,
    isHeld = false;
  const stop = () => {
    clearTimeout(timer);
    from = null;
  };
  node.addEventListener("pointerdown", ({ pointerType, isPrimary, target, clientX, clientY }) => {
    stop();
    isHeld = false;
    if (pointerType === "mouse" || !isPrimary) return;
    from = [clientX, clientY];
    timer = setTimeout(() => {
      isHeld = true;
      held(target);
    }, HOLD);
  });
  node.addEventListener("pointermove", ({ clientX, clientY }) => {
    if (from && Math.hypot(clientX - from[0], clientY - from[1]) > MOVED) stop();
  });
  for (const end of ["pointerup", "pointercancel"]) node.addEventListener(end, stop);
  node.addEventListener("contextmenu", (event) => (from || isHeld) && event.preventDefault());
  node.addEventListener(
    "click",
    (event) => {
      if (isHeld) event.stopPropagation();
      isHeld = false;
    },
    { capture: true },
  );
}
