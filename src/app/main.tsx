// Owns the start of the app in the page: one client, who speaks, the texts of the language, the first drawing, the offline shell.
import { createRoot } from "react-dom/client";
import { createClient, pageStore } from "../client/index.ts";
import { offline } from "../client/offline.ts";
import { ThroughlineProvider } from "../react/index.ts";
import { App } from "./app.tsx";
import { readFacts } from "./facts.ts";
import { keepShell } from "./offline.ts";
import { apply } from "./preferences.ts";
import { followTabs, watchHolder } from "./sign-in-holder.ts";
import { createKeeper } from "./sign-in-keeper.ts";
import { takeReturn } from "./sign-in-return.ts";

const root = document.getElementById("app");
if (root === null) throw new Error("The page has no place for the app.");
apply();
const facts = readFacts();
const [local, tab] = [pageStore("localStorage"), pageStore("sessionStorage")];
const keeper = createKeeper({ ways: facts.signIn, local, tab, returned: takeReturn(tab, Date.now()) });
const client = createClient({
  offline,
  url: location.origin,
  guest: facts.guests,
  name: "throughline-app",
  // Where nobody can sign in there is nothing to ask.
  ...(facts.signIn.length > 0 ? { token: keeper.token } : {}),
});
client.connection.subscribe(() => keeper.watch(client.connection.getSnapshot()));
const turn = watchHolder(client, tab);
followTabs(client);
client.connect();
createRoot(root).render(
  <ThroughlineProvider client={client}>
    <App facts={facts} keeper={keeper} turn={turn} />
  </ThroughlineProvider>,
);
keepShell();
