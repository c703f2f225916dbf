// Search without a server. A page from the file system may not start workers, so here a worker is a
// hidden frame: its script finds postMessage and importScripts as in a worker. Pages from a
// server keep the browser's own Worker.
"use strict";

class FrameWorker extends EventTarget {
  constructor(url) {
    super();
    this.frame = document.createElement("iframe");
    this.frame.hidden = true;
    document.body.append(this.frame);
    this.window = this.frame.contentWindow;
    this.window.postMessage = (data) => {
      const event = new MessageEvent("message", { data: structuredClone(data) });
      this.dispatchEvent(event);
      this.onmessage?.(event);
    };
    this.window.importScripts = async (...addresses) => {
      for (const address of addresses) await this.load(address);
    };
    this.ready = this.load(url);
  }

  load(address) {
    return new Promise((resolve, reject) => {
      const script = this.window.document.createElement("script");
      script.src = new URL(address, location.href).href;
      script.onload = resolve;
      script.onerror = reject;
      this.window.document.body.append(script);
    });
  }

  async postMessage(data) {
    await this.ready;
    this.window.dispatchEvent(new MessageEvent("message", { data: structuredClone(data) }));
  }

  terminate() {
    this.frame.remove();
  }
}

if (location.protocol === "file:") window.Worker = FrameWorker;
