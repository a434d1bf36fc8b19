// Owns where a server's parts are, from an address as people write it. Pure but for the page's own address.

const socketPath = "/api/v1/async/chatbot";

/** The socket's URL for an address as people write it. */
export function socketUrl(address: string): string {
  const url = new URL(address, typeof location === "undefined" ? undefined : location.href);
  url.protocol = url.protocol.replace("http", "ws");
  if (!url.pathname.endsWith(socketPath)) url.pathname = url.pathname.replace(/\/$/, "") + socketPath;
  return url.href;
}

/** Where the server of a socket's URL says whether it is there. */
export const healthUrl = (socket: string): string => socket.replace(/^ws/, "http").replace(socketPath, "/readyz");
