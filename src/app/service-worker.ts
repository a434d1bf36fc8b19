// Owns the offline shell: the app's page and files from a cache when the network is gone. It never keeps an answer of the API.

/** The files of this build, and its name. Put in by the build. */
declare const SHELL: readonly string[];
declare const VERSION: string;

type Lasting = Event & { waitUntil(promise: Promise<unknown>): void };
type Fetching = Lasting & { readonly request: Request; respondWith(answer: Promise<Response>): void };
type Worker = {
  skipWaiting(): Promise<void>;
  readonly clients: { claim(): Promise<void> };
  readonly location: Location;
  addEventListener(name: "install" | "activate", fn: (event: Lasting) => void): void;
  addEventListener(name: "fetch", fn: (event: Fetching) => void): void;
};
declare const self: Worker;

const cacheName = `throughline-${VERSION}`;
/** How long (ms) the network may take for the page before the kept one is shown. */
const patience = 3000;

self.addEventListener("install", (event) => {
  const keep = async (): Promise<void> => {
    const cache = await caches.open(cacheName);
    await cache.addAll(["/", "/icon.svg", "/manifest.webmanifest", ...SHELL]);
    await self.skipWaiting();
  };
  event.waitUntil(keep());
});

self.addEventListener("activate", (event) => {
  const clean = async (): Promise<void> => {
    const names = await caches.keys();
    const old = names.filter((name) => name.startsWith("throughline-") && name !== cacheName);
    await Promise.all(old.map((name) => caches.delete(name)));
    await self.clients.claim();
  };
  event.waitUntil(clean());
});

/** The page: from the network while that answers in time, so that a new version is seen; else the kept one. */
async function page(request: Request): Promise<Response> {
  const cache = await caches.open(cacheName);
  try {
    const answer = await fetch(request, { signal: AbortSignal.timeout(patience) });
    if (answer.ok) await cache.put("/", answer.clone());
    return answer.status < 500 ? answer : ((await cache.match("/")) ?? answer);
  } catch (error) {
    const kept = await cache.match("/");
    if (kept !== undefined) return kept;
    throw error;
  }
}

/** Files have a name for each content: the kept one is always right. */
async function file(request: Request): Promise<Response> {
  const kept = await caches.match(request, { ignoreVary: true });
  if (kept !== undefined) return kept;
  const answer = await fetch(request);
  if (answer.ok) await (await caches.open(cacheName)).put(request, answer.clone());
  return answer;
}

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin) return;
  const isPage = request.mode === "navigate" && (url.pathname === "/" || url.pathname.startsWith("/c/"));
  if (isPage) event.respondWith(page(request));
  else if (url.pathname.startsWith("/assets/")) event.respondWith(file(request));
});
