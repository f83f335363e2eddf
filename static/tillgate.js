// Tillgate: progressive enhancement only. Every page works without this file.
// Loaded in <head> without defer, so that a chosen theme is set before the first paint.
(() => {
  "use strict";
  const root = document.documentElement;
  const THEMES = ["system", "light", "dark"];

  const remember = (key, value) => { try { localStorage.setItem(key, value); } catch { /* private mode */ } };
  const recall = (key) => { try { return localStorage.getItem(key); } catch { return null; } };

  // Theme: system → light → dark → system. "system" removes the override.
  const setTheme = (theme) => {
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
    else delete root.dataset.theme;
    remember("tillgate-theme", theme);
  };
  const saved = recall("tillgate-theme");
  if (saved && saved !== "system") root.dataset.theme = saved;

  const toast = (text) => {
    const box = document.querySelector(".toasts");
    if (!box) return;
    const note = document.createElement("div");
    note.className = "toast";
    note.textContent = text;
    box.append(note);
    setTimeout(() => note.remove(), 2400);
  };

  const typing = (element) => element.closest("input, textarea, select, [contenteditable]");

  document.addEventListener("click", async (event) => {
    const theme = event.target.closest("[data-theme-toggle]");
    if (theme) {
      const next = THEMES[(THEMES.indexOf(root.dataset.theme || "system") + 1) % THEMES.length];
      setTheme(next);
      theme.setAttribute("aria-label", `Theme: ${next}`);
      toast(`Theme: ${next}`);
      return;
    }

    const copy = event.target.closest("[data-copy]");
    if (copy) {
      try {
        await navigator.clipboard.writeText(copy.dataset.copy);
        toast(copy.dataset.copied || "Full digest copied");
      } catch {
        toast("Copying is not allowed here: select the text instead");
      }
      return;
    }

    // <button command="show-modal" commandfor="id">: older browsers have no invoker commands.
    const invoker = event.target.closest("[commandfor]");
    if (invoker && !("commandForElement" in invoker)) {
      const dialog = document.getElementById(invoker.getAttribute("commandfor"));
      if (!dialog) return;
      event.preventDefault();
      if (invoker.getAttribute("command") === "show-modal") dialog.showModal();
      else dialog.close();
    }
  });

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    if (event.key === "/") {
      const search = document.querySelector(".top input[type=search]");
      if (search) { event.preventDefault(); search.focus(); search.select(); }
    }
  });

  // On a narrow window the row of tabs is cut off: the open one is moved into sight.
  document.addEventListener("DOMContentLoaded", () => {
    const here = document.querySelector('nav.tabs a[aria-current="page"]');
    if (!here) return;
    const row = here.closest("nav");
    const hidden = here.getBoundingClientRect().right - row.getBoundingClientRect().right;
    if (hidden > 0) row.scrollLeft += hidden;
  });

  // Reviewers: j and k walk the rows, 1 to 9 the tabs, a, r and x open a decision, which is confirmed in its dialog. Without script the links lead to a page.
  const openDecision = (link) => {
    const dialog = document.getElementById(`decide-${link.dataset.decide}`);
    if (!dialog || !dialog.showModal) return false;
    dialog.showModal();
    return true;
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-decide]");
    if (link && !event.ctrlKey && !event.metaKey && openDecision(link)) event.preventDefault();
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || document.querySelector("dialog[open]:not([data-inline])")) return;
    const link = document.querySelector(`a[data-decide][data-key="${CSS.escape(event.key)}"]`);
    if (link) { event.preventDefault(); openDecision(link); return; }
    if (/^[1-9]$/.test(event.key)) {
      const tab = document.querySelectorAll("nav.tabs a")[Number(event.key) - 1];
      if (tab) { event.preventDefault(); tab.click(); }
      return;
    }
    if (event.key !== "j" && event.key !== "k") return;
    const rows = [...document.querySelectorAll("[data-review-row] a.title")];
    if (!rows.length) return;
    const at = rows.indexOf(document.activeElement);
    const next = rows[Math.min(rows.length - 1, Math.max(0, at + (event.key === "j" ? 1 : -1)))];
    next.focus();
    next.scrollIntoView({ block: "nearest" });
  });

  // A facet applies at once; without script the "Show results" button does it.
  document.addEventListener("change", (event) => {
    const form = event.target.closest("form[data-apply-at-once]");
    if (form) form.requestSubmit();
  });

  // A folder: browsers send bare names, so the paths go along in a field of their own.
  document.addEventListener("change", (event) => {
    const input = event.target.closest("input[data-paths]");
    const field = input && input.form && input.form.elements.namedItem(input.dataset.paths);
    if (field) field.value = JSON.stringify([...input.files].map((file) => file.webkitRelativePath || file.name));
  });

  // A part of the page that could not be loaded says so; what is shown stays.
  let told = 0;
  const silent = () => {
    if (Date.now() - told < 15000) return;
    told = Date.now();
    toast("This part could not be refreshed. What you see is the last state.");
  };
  document.addEventListener("htmx:responseError", silent);
  document.addEventListener("htmx:sendError", silent);

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("[data-needs-script]").forEach((part) => { part.hidden = false; });
    const button = document.querySelector("[data-theme-toggle]");
    if (button) button.setAttribute("aria-label", `Theme: ${root.dataset.theme || "system"}`);
  });
})();
