// Owns the page's colour as the window's accent: darkened on a light ground, lightened on a dark one, as far as reading needs it.

/** `colour`: as CSS has it. One that the browser does not know changes nothing. */
export function tint(host: HTMLElement, colour: string | undefined): void {
  if (colour === undefined || !CSS.supports("color", colour)) return;
  const dark = `oklch(from ${colour} min(l, 0.48) c h)`;
  const light = `oklch(from ${colour} max(l, 0.77) c h)`;
  host.style.setProperty("--tl-accent", `light-dark(${dark}, ${light})`);
  host.style.setProperty("--tl-on-accent", "light-dark(#fff, #0c0c0c)");
}
