// Owns the drawings of the buttons: one path each, 20 by 20, drawn with the colour of the text. It says nothing: the button has the label.
import type { ReactNode } from "react";

const paths = {
  send: "M10 16V4M4.5 9.5 10 4l5.5 5.5",
  stop: "M6 6h8v8H6z",
  copy: "M7 7V4h9v9h-3M4 7h9v9H4z",
  check: "m4.5 10.5 3.5 3.5 7.5-8",
  edit: "M4 16h3l8.5-8.5-3-3L4 13zM11 6l3 3",
  retry: "M15.5 8A6 6 0 1 0 16 11M16 4v4h-4",
  up: "M7 9v7H4V9zm0 0 3.5-5.5c1.4 0 2 .9 1.7 2.2L11.7 8H15c1 0 1.6.9 1.4 1.8l-1.1 5c-.2.7-.7 1.2-1.5 1.2H7",
  down: "M7 11V4H4v7zm0 0 3.500 5.500c1.400 0 2-.9 1.700-2.200L11.700 12H15c1 0 1.600-.9 1.400-1.800l-1.100-5c-.2-.7-.7-1.200-1.500-1.200H7",
  smile: "M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14M7.500 8v.5M12.500 8v.5M7 12c1.700 2 4.300 2 6 0",
  left: "m12 5-5 5 5 5",
  right: "m8 5 5 5-5 5",
  menu: "M3.500 6h13M3.500 10h13M3.500 14h13",
  plus: "M10 4v12M4 10h12",
  search: "M9 15A6 6 0 1 0 9 3a6 6 0 0 0 0 12m4.500-1.500L17 17",
  more: "M5 10h.01M10 10h.01M15 10h.01",
  close: "m5 5 10 10M15 5 5 15",
  settings: "M4 6h6m4 0h2M4 14h2m4 0h6M10 4v4M6 12v4",
  newest: "M10 4v12M5 11l5 5 5-5",
  archive: "M3.500 4h13v3h-13zM5 7v9h10V7M8 10h4",
  trash: "M4 6h12M8 6V4h4v2M6 6l.7 10h6.600L14 6",
  play: "M7 5v10l8-5z",
  chat: "M4 4h12v9H9l-4 3v-3H4z",
  clip: "m15 9-5.500 5.500a3 3 0 0 1-4.200-4.200L11 4.600a2 2 0 0 1 2.900 2.900L8.500 13a1 1 0 0 1-1.500-1.500L12 6.500",
  file: "M5 3h6l4 4v10H5zM11 3v4h4",
  external: "M8 5H5v10h10v-3M11 4h5v5M16 4l-7 7",
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name }: { readonly name: IconName }): ReactNode {
  return (
    <svg className="tl-icon" viewBox="0 0 20 20" width="20" height="20" aria-hidden="true">
      <path d={paths[name]} />
    </svg>
  );
}
