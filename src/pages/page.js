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
      if (!answer.ok) return answer;
      const { inviter, team, role, email } = answer.body;
      lead(`${inviter} invites you to the team ${team}, as ${role}.`);
      // The letter came to that address, so it needs no other proof.
      if (email) field("email").closest("label").hidden = true;
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
    send: (fields) =>
      signedIn(fields, (bearer) =>
        post("auth/device/answer", { user_code: fields.token, allow: true }, bearer)),
    done: "The command line is signed in. You can close this page.",
  },
};

// Does something as somebody, in a session that lasts no longer than that.
async function signedIn({ username, password }, action) {
  const login = await post("auth/login", { username_or_email: username, password });
  if (!login.ok) return login;
  const answer = await action(login.body.access_token);
  const session = { refresh_token: login.body.refresh_token };
  await post("auth/logout", session, login.body.access_token).catch(() => {});
  return answer;
}

const field = (name) => document.querySelector("form").elements[name];
const lead = (text) => {
  document.getElementById("lead").textContent = text;
};

async function post(path, document, bearer) {
  const headers = { "content-type": "application/json", accept: "application/json" };
  if (bearer) headers.authorization = "Bearer " + bearer;
  const answer = await fetch("/api/v1/" + path, {
    method: "POST",
    headers,
    body: JSON.stringify(document),
    credentials: "omit",
    cache: "no-store",
  });
  const body = await answer.json().catch(() => ({}));
  return { ok: answer.ok, status: answer.status, body };
}

// A refusal as a sentence, with what is wrong with each field.
function sentence({ status, body }) {
  if (status === 429) {
    return `Too many tries. Try again in ${body.retry_after || 60} seconds.`;
  }
  const lines = (body.errors || []).map((error) => error.message).filter(Boolean);
  if (lines.length > 0) return lines.join("\n");
  return body.detail || `The server answered ${status}. Nothing was changed.`;
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
    member.addEventListener("change", () => {
      form.elements.email.closest("label").hidden = member.checked;
    });
  }
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const fields = Object.fromEntries(new FormData(form));
    if (form.elements.again && fields.password !== fields.again) {
      say("The two passwords differ.", "bad");
      return;
    }
    button.disabled = true;
    say("", "");
    try {
      const answer = await page.send(fields);
      if (answer.ok) {
        form.hidden = true;
        say(page.done, "good");
      } else {
        say(sentence(answer), "bad");
      }
    } catch {
      say("The server could not be reached. Nothing was changed; try again.", "bad");
    }
    button.disabled = false;
  });
  document.body.dataset.ready = "true";
}

start();
