// Owns the registration of the service worker that keeps the app's shell, so that it opens without a network.

/** The one policy of the page: it lets the one script through that is registered here, and nothing else. */
type Policy = { createScriptURL(url: string): string };
type Factory = { createPolicy(name: string, rules: { createScriptURL(url: string): string }): Policy };

const script = "/service-worker.js";

function trusted(): string {
  const factory: Factory | undefined =
    "trustedTypes" in globalThis ? Reflect.get(globalThis, "trustedTypes") : undefined;
  const policy = factory?.createPolicy("throughline", {
    createScriptURL(url) {
      if (url !== script) throw new TypeError("This page loads no such script.");
      return url;
    },
  });
  return policy?.createScriptURL(script) ?? script;
}

/** Without a service worker (plain HTTP on another host, private windows) the app works, but does not open offline. */
export function keepShell(): void {
  if (!("serviceWorker" in navigator)) return;
  const register = (): void => void navigator.serviceWorker.register(trusted()).catch(() => undefined);
  if (document.readyState === "complete") register();
  else addEventListener("load", register, { once: true });
}
