// Shows the progress of a report: on the form's page while the form is being sent (without a broker that takes as long
// as the task), and on the report's page until the report is ready.

const POLL_MILLISECONDS = 300;
const box = document.getElementById("progress");

function show(status) {
  const bar = box.querySelector("progress");
  const line = box.querySelector("[role=status]");
  box.hidden = false;
  if (status.progress) {
    bar.max = status.progress.total;
    bar.value = status.progress.done;
    line.textContent = `${status.progress.done} of ${status.progress.total} months`;
  } else if (!status.ready) {
    line.textContent = status.waiting ?? "Waiting for a worker";
  }
}

// Asks for the status until `done()` is true or the report is ready. A request that fails is sent again.
async function watch(url, done = () => false) {
  while (!done()) {
    try {
      const response = await fetch(url);
      const status = await response.json();
      if (done()) return;
      show(status);
      if (status.ready) return;
    } catch {
      if (done()) return;
      box.querySelector("[role=status]").textContent = "The server does not respond. Trying again";
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MILLISECONDS));
  }
}

async function send(event) {
  event.preventDefault();
  const form = event.target;
  const button = form.querySelector("button");
  let answered = false;
  button.disabled = true;
  watch(`reports/${form.elements.task_id.value}/status/`, () => answered);
  try {
    const response = await fetch(form.action, { method: "POST", body: new FormData(form) });
    answered = true;
    if (response.redirected) {
      location.assign(response.url);
    } else if (response.ok) {
      form.submit(); // the form is not valid: let the server's page say why
    } else {
      throw new Error(response.status === 503 ? "try again in a minute" : `${response.status} ${response.statusText}`);
    }
  } catch (error) {
    answered = true;
    box.hidden = false;
    box.querySelector("[role=status]").textContent = `The report could not be started: ${error.message}`;
    button.disabled = false;
  }
}

document.getElementById("report-form")?.addEventListener("submit", send);
if (box.dataset.status) watch(box.dataset.status).then(() => location.reload());
