// Owns the plain page at `/`. No script, no request to elsewhere.

const escape = (text: string): string => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

/** A page that says what runs here and how to talk to it. */
export function plainPage(facts: { model: string; version: string; socketPath: string }): string {
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Throughline</title></head>
<body>
<h1>Throughline is running</h1>
<p>Version ${escape(facts.version)}. Replies come from <code>${escape(facts.model)}</code>.</p>
<p>Clients connect by WebSocket to <code>${escape(facts.socketPath)}</code>.</p>
<p>Health: <a href="/healthz">/healthz</a>, readiness: <a href="/readyz">/readyz</a>.</p>
</body>
</html>
`;
}
