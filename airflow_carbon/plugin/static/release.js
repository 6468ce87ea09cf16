// The button that starts a waiting task now, and the dialog that asks why.
import { release } from "./api.js";
import { element, fill } from "./element.js";
import { notice, say } from "./page.js";
import { taskName } from "./words.js";

let dialog = null;

/** Build the button for a task; again() is called when the task was released. */
export function releaseButton(task, again, { main = false } = {}) {
  const id = `release-${[task.dag_id, task.run_id, task.task_id, task.map_index].map(encodeURIComponent).join("/")}`;
  return element("button", { type: "button", id, class: main ? "main" : null, "aria-label": main ? null : `Start now: ${taskName(task)}`, onclick: () => ask(task, again) }, "Start now");
}

function ask(task, again) {
  dialog?.remove();
  const field = element("textarea", { id: "release-reason", required: true, maxlength: "500", "aria-describedby": "release-about" });
  const outcome = element("div", { role: "alert" });
  const start = element("button", { type: "submit", class: "main" }, "Start now");
  const close = element("button", { type: "button", onclick: () => dialog.close() }, "Cancel");
  const form = element(
    "form",
    { onsubmit: (event) => { event.preventDefault(); send(); } },
    element("h2", { id: "release-title" }, "Start this task now"),
    element("p", { class: "muted" }, `${taskName(task)}, run ${task.run_id}`),
    element("label", { for: "release-reason" }, "Reason"),
    field,
    element("p", { class: "muted small", id: "release-about" }, "It is kept in the ledger with your name. What the wait would have saved is given up."),
    outcome,
    element("div", { class: "buttons" }, close, start),
  );
  dialog = element("dialog", { "aria-labelledby": "release-title", onclose: () => dialog.remove() }, form);
  document.body.append(dialog);
  dialog.showModal();
  field.focus();

  async function send() {
    const reason = field.value.trim();
    if (!reason) {
      fill(outcome, notice("A reason is missing", "Say in a few words why the task must not wait.", "warn"));
      field.focus();
      return;
    }
    start.disabled = true;
    fill(outcome, []);
    try {
      const { released, said } = await release(task, reason);
      if (released) {
        dialog.close();
        say(said);
        again(said);
        return;
      }
      fill(outcome, notice("It was not started", said, "warn"));
    } catch (error) {
      fill(outcome, notice(error.title ?? "It was not started", error.message, "bad"));
    }
    start.disabled = false;
  }
}
