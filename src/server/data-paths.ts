// Owns the addresses of what is somebody's own. It knows nobody.

export const accountPath = "/api/v1/account";
export const archivePath = `${accountPath}/export`;
/** Its body may be large, and come slowly. */
export const importPath = `${accountPath}/import`;
export const exportPath = (id: string): string => `/api/v1/conversations/${id}/export`;

/** Its id back; undefined: it is no such path. */
export const exportedIdOf = (path: string): string | undefined =>
  /^\/api\/v1\/conversations\/([^/]{1,64})\/export$/.exec(path)?.[1];

export const dataRoutes: readonly string[] = [
  `DELETE ${accountPath}`,
  `GET ${archivePath}`,
  `POST ${importPath}`,
  `GET ${exportPath("{id}")}`,
];
