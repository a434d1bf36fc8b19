// Owns the start of the app in the page: one client, the texts of the language, the first drawing, the offline shell.
import { createRoot } from "react-dom/client";
import { createClient } from "../client/index.ts";
import { ThroughlineProvider } from "../react/index.ts";
import { App } from "./app.tsx";
import { readFacts } from "./facts.ts";
import { keepShell } from "./offline.ts";
import { apply } from "./preferences.ts";

const root = document.getElementById("app");
if (root === null) throw new Error("The page has no place for the app.");
apply();
const facts = readFacts();
const client = createClient({ url: location.origin, guest: facts.guests, name: "throughline-app" });
client.connect();
createRoot(root).render(
  <ThroughlineProvider client={client}>
    <App facts={facts} />
  </ThroughlineProvider>,
);
keepShell();
