// Replaces the page's figures, while a person can see them. Without JavaScript the page is read as it is.
"use strict";

const INTERVAL = 1500; // milliseconds

function say(sentence) {
  document.getElementById("overview-state").textContent = sentence;
}

async function refresh() {
  if (document.hidden) {
    return;
  }
  try {
    const response = await fetch(location.href);
    const next = new DOMParser().parseFromString(await response.text(), "text/html").getElementById("overview");
    if (response.ok && next) {
      document.getElementById("overview").replaceWith(next);
      say("It is renewed by itself.");
    } else if (response.redirected) {
      location.reload(); // logged out
    } else {
      say("The server could not answer. Trying again.");
    }
  } catch {
    say("The server does not respond. Trying again.");
  }
}

async function loop() {
  await refresh();
  setTimeout(loop, INTERVAL);
}

setTimeout(loop, INTERVAL);
