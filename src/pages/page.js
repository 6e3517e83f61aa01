// What the pages do, when somebody presses the button and not before.
"use strict";

// Where each page sends what was filled in, and what it says afterwards.
const PAGES = {
  verify: {
    send: (fields) => post("auth/verify-email", { token: fields.token }),
    done: "Your address is verified. You can close this page.",
  },
  reset: {
    send: (fields) =>
      post("auth/reset-password", { token: fields.token, new_password: fields.password }),
    done: "The new password is set, and whoever was signed in is signed out. Sign in with it.",
  },
  invite: {
    // Says whose invitation it is; accepts nothing.
    look: async (code) => {
      const answer = await post("invitations/look", { code });
      if (!answer.ok) {
        // Nothing can be done with it: only what is wrong is shown.
        document.querySelector("form").hidden = answer.status === 400;
        return answer;
      }
      const { inviter, team, role, email } = answer.body;
      lead(`${inviter} invites you to the team ${team}, as ${role}.`);
      // The letter came to that address, so it needs no other proof.
      if (email) {
        field("email").dataset.given = "true";
        field("email").closest("label").hidden = true;
      }
      return answer;
    },
    send: async (fields) => {
      if (!fields.member) {
        const { token, username, email, password } = fields;
        return post("invitations/accept", { code: token, username, email, password });
      }
      return signedIn(fields, (bearer) =>
        post("invitations/accept", { code: fields.token }, bearer));
    },
    done: "You belong to the team now. Sign in with your name and password.",
  },
  device: {
    // First who they are, then what asks: nobody lets in what they have not seen.
    send: async (fields) => {
      if (!asking) {
        const { username, password } = fields;
        const login = await post("auth/login", { username_or_email: username, password });
        if (!login.ok) return login;
        const code = encodeURIComponent(fields.token);
        const seen = await get("auth/device?user_code=" + code, login.body.access_token);
        if (!seen.ok) {
          await signOut(login.body);
          return seen;
        }
        asking = login.body;
        decide(seen.body);
        return null;
      }
      return answered(fields.token, true);
    },
    refuse: (fields) => answered(fields.token, false),
    done: "The command line is signed in. You can close this page.",
    refused: "The command line was refused. You can close this page.",
  },
};

// The session of whoever decides about a command line, until they have.
let asking = null;

addEventListener("pagehide", () => asking && signOut(asking));

// Shows what asks, in place of what was asked before.
function decide({ client, address }) {
  const from = address ? ` from ${address}` : "";
  lead(`${client || "A command line"} asks${from}. Let it in only if that is yours: it may do what you may.`);
  for (const name of ["username", "password"]) field(name).closest("label").hidden = true;
  field("token").readOnly = true;
  document.querySelector("button[type=submit]").textContent = "Let it in";
  document.getElementById("refuse").hidden = false;
}

async function answered(code, allow) {
  const answer = await post(
    "auth/device/answer", { user_code: code, allow }, asking.access_token);
  if (answer.ok) {
    await signOut(asking);
    asking = null;
  }
  return answer;
}

// Does something as somebody, in a session that lasts no longer than that.
async function signedIn({ username, password }, action) {
  const login = await post("auth/login", { username_or_email: username, password });
  if (!login.ok) return login;
  const answer = await action(login.body.access_token);
  await signOut(login.body);
  return answer;
}

// Leaves no session behind.
async function signOut({ access_token, refresh_token }) {
  await post("auth/logout", { refresh_token }, access_token).catch(() => {});
}

const field = (name) => document.querySelector("form").elements.namedItem(name);
const lead = (text) => {
  document.getElementById("lead").textContent = text;
};

const post = (path, document, bearer) => call("POST", path, bearer, JSON.stringify(document));
const get = (path, bearer) => call("GET", path, bearer);

async function call(method, path, bearer, body) {
  const headers = { "content-type": "application/json", accept: "application/json" };
  if (bearer) headers.authorization = "Bearer " + bearer;
  const answer = await fetch("/api/v1/" + path, {
    method,
    headers,
    body,
    credentials: "omit",
    // Signing out is heard also where the page is closed meanwhile.
    keepalive: true,
    cache: "no-store",
  });
  const said = await answer.json().catch(() => ({}));
  return { ok: answer.ok, status: answer.status, body: said };
}

// What the API calls fields that have another name here.
const NAMES = { new_password: "password", code: "token", username_or_email: "username" };

// A refusal as a sentence, with what is wrong with each field, which is marked.
function sentence({ status, body }) {
  if (status === 429) {
    return `Too many tries. Try again in ${body.retry_after || 60} seconds.`;
  }
  const lines = (body.errors || []).map((error) => {
    const input = field(NAMES[error.field] || error.field);
    if (!input || !error.message) return error.message;
    input.setAttribute("aria-invalid", "true");
    return `${input.closest("label").firstChild.textContent.trim()} ${error.message}.`;
  }).filter(Boolean);
  if (lines.length > 0) return lines.join("\n");
  const text = body.detail || `The server answered ${status}. Nothing was changed`;
  return /[.!?]$/.test(text) ? text : text + ".";
}

function start() {
  const page = PAGES[document.body.dataset.page];
  const form = document.querySelector("form");
  const button = form.querySelector("button");
  const said = document.getElementById("said");
  const token = form.elements.token;
  const say = (text, tone) => {
    said.textContent = text;
    said.dataset.tone = tone;
    // On a small screen it stands below what can be seen.
    if (text) said.scrollIntoView({ block: "nearest" });
  };
  // The code of the link. It is taken out of the address, so that no history keeps it.
  const query = new URLSearchParams(location.search);
  const code = location.hash.slice(1) || query.get("code") || query.get("token");
  if (code) {
    token.value = decodeURIComponent(code);
    history.replaceState(null, "", location.pathname);
    if (!("shown" in token.dataset)) token.closest("label").hidden = true;
  }
  if (code && page.look) {
    const looked = (answer) => !answer.ok && say(sentence(answer), "bad");
    page.look(token.value).then(looked, () => {});
  }
  const member = form.elements.member;
  if (member) {
    const { email, username, password } = form.elements;
    const asked = () => email.dataset.given !== "true";
    member.addEventListener("change", () => {
      email.closest("label").hidden = member.checked || !asked();
      form.querySelector(".hint").hidden = member.checked;
      username.closest("label").firstChild.textContent =
        member.checked ? "User name or e-mail address" : "User name";
      password.autocomplete = member.checked ? "current-password" : "new-password";
    });
  }
  const refuse = document.getElementById("refuse");
  const send = async (how, done) => {
    const fields = Object.fromEntries(new FormData(form));
    for (const input of form.elements) input.removeAttribute("aria-invalid");
    if (form.elements.again && fields.password !== fields.again) {
      say("The two passwords differ.", "bad");
      return;
    }
    button.disabled = true;
    say("", "");
    try {
      const answer = await how(fields);
      if (answer && answer.ok) {
        form.hidden = true;
        say(done, "good");
      } else if (answer) {
        say(sentence(answer), "bad");
        form.querySelector("[aria-invalid]")?.focus({ preventScroll: true });
      }
    } catch {
      say("The server could not be reached. Nothing was changed; try again.", "bad");
    }
    button.disabled = false;
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(page.send, page.done);
  });
  if (refuse) refuse.addEventListener("click", () => send(page.refuse, page.refused));
  document.body.dataset.ready = "true";
}

start();
