// Passkeys: asks the browser what the form carries in data-options, and sends its answer with the form. Only pages that
// add or prove a passkey load this file; without script they say so.
(() => {
  "use strict";
  const bytes = (text) => {
    const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(plain, (character) => character.charCodeAt(0));
  };
  const text = (buffer) => {
    if (!buffer) return undefined;
    const plain = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
    return btoa(plain).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  };
  const known = (list) => (list || []).map((one) => ({ ...one, id: bytes(one.id) }));

  const create = async (options) => {
    const user = { ...options.user, id: bytes(options.user.id) };
    const asked = { ...options, user, challenge: bytes(options.challenge), excludeCredentials: known(options.excludeCredentials) };
    const made = await navigator.credentials.create({ publicKey: asked });
    const { clientDataJSON, attestationObject } = made.response;
    return { made, response: { clientDataJSON: text(clientDataJSON), attestationObject: text(attestationObject) } };
  };
  const get = async (options) => {
    const asked = { ...options, challenge: bytes(options.challenge), allowCredentials: known(options.allowCredentials) };
    const made = await navigator.credentials.get({ publicKey: asked });
    const { clientDataJSON, authenticatorData, signature, userHandle } = made.response;
    const response = { clientDataJSON: text(clientDataJSON), authenticatorData: text(authenticatorData), signature: text(signature) };
    if (userHandle && userHandle.byteLength) response.userHandle = text(userHandle);
    return { made, response };
  };

  const said = (form, words) => {
    const place = form.querySelector("[data-passkey-says]");
    place.textContent = words;
    place.hidden = !words;
  };
  const REASONS = {
    InvalidStateError: "This device or key has a passkey for this account already.",
    NotAllowedError: "It was cancelled, took too long, or there is no passkey of this account on this device.",
    SecurityError: "The browser allows no passkeys at this address.",
  };

  const prepare = (form) => {
    const button = form.querySelector("[data-passkey-button]");
    const origin = form.dataset.origin;
    if (!window.PublicKeyCredential || location.origin !== origin) {
      button.disabled = true;
      said(form, location.origin !== origin ? `Passkeys work at ${origin}; this page was opened at ${location.origin}.` : "This browser knows no passkeys.");
      return;
    }
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      said(form, "");
      button.disabled = true;
      try {
        const { publicKey } = JSON.parse(form.dataset.options);
        const { made, response } = await (form.dataset.passkey === "create" ? create(publicKey) : get(publicKey));
        const answer = { id: made.id, rawId: text(made.rawId), type: made.type, response, clientExtensionResults: {}, authenticatorAttachment: made.authenticatorAttachment || undefined };
        form.querySelector("[data-passkey-answer]").value = JSON.stringify(answer);
        form.submit();
      } catch (error) {
        said(form, REASONS[error.name] || "The browser could not use a passkey.");
        button.disabled = false;
      }
    });
  };
  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("form[data-passkey]").forEach(prepare));
})();
