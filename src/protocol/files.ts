// Owns where files are on the server: their path, and their id in a part's `url`. Pure.

/** Where files are sent to and read from, on the server's own origin. */
export const filesPath = "/api/v1/files";
/** The `url` of a file part: a path of the server, of a file that it keeps. */
export const fileUrl = (id: string): string => `${filesPath}/${id}`;
/** Its id back; undefined: it is no file of the server. */
export const fileIdOf = (url: string): string | undefined => /^\/api\/v1\/files\/([0-9a-f]{32})$/.exec(url)?.[1];
