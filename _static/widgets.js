// Mounts the widgets of a page from the state that the notebook stored: no kernel, no manager.
// Also switches off what cannot work when the book is opened from a folder.
(() => {
  const STATE = 'script[type="application/vnd.jupyter.widget-state+json"]';
  const VIEW = 'script[type="application/vnd.jupyter.widget-view+json"]';

  // The search page fetches every hit to quote from it; browsers forbid that to file:// pages.
  if (location.protocol === "file:" && typeof DOCUMENTATION_OPTIONS !== "undefined") {
    DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
  }

  // The part of an ipywidgets model that a widget's render() uses; views of one model share it.
  function makeModel(state) {
    const listeners = new Map();
    const emit = (event, value) => (listeners.get(event) || []).forEach((call) => call(value));
    return {
      get: (name) => state[name],
      set(name, value) {
        if (state[name] === value) return;
        state[name] = value;
        emit(`change:${name}`, value);
        emit("change");
      },
      save_changes() {},
      on: (event, call) => listeners.set(event, [...(listeners.get(event) || []), call]),
      off: (event, call) =>
        listeners.set(event, (listeners.get(event) || []).filter((other) => other !== call)),
    };
  }

  function explain(place, reason) {
    const note = document.createElement("p");
    note.textContent = `This interactive figure could not start: ${reason}`;
    place.append(note);
  }

  async function mount(view, models, modules, styles) {
    const { model_id: id } = JSON.parse(view.textContent);
    const place = document.createElement("div");
    place.className = "book-widget";
    view.after(place);
    const state = models[id]?.state;
    if (!state?._esm) return explain(place, "its stored state is missing. Run the notebook again.");
    if (state._css && !styles.has(state._css)) {
      styles.add(state._css);
      document.head.append(Object.assign(document.createElement("style"), { textContent: state._css }));
    }
    if (!modules.has(state._esm)) {
      const address = URL.createObjectURL(new Blob([state._esm], { type: "text/javascript" }));
      modules.set(state._esm, import(address));
    }
    try {
      const { default: widget } = await modules.get(state._esm);
      models[id].model ??= makeModel(state);
      await widget.render({ model: models[id].model, el: place });
    } catch (error) {
      explain(place, error.message);
    }
  }

  function start() {
    const views = document.querySelectorAll(VIEW);
    const stored = document.querySelector(STATE);
    if (!views.length || !stored) return;
    const models = JSON.parse(stored.textContent).state;
    const [modules, styles] = [new Map(), new Set()];
    views.forEach((view) => mount(view, models, modules, styles));
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
