// Owns how many files this process may have open, and what part of them connections may have. It opens none.
import * as v from "valibot";

const report = v.object({
  userLimits: v.object({ open_files: v.object({ soft: v.union([v.number(), v.string()]) }) }),
});

/** How many files this process may have open, where the system says so. */
export function openFiles(): number {
  const read = v.safeParse(report, process.report.getReport());
  const soft = read.success ? Number(read.output.userLimits.open_files.soft) : Number.NaN;
  return Number.isNaN(soft) ? Number.POSITIVE_INFINITY : soft;
}

/**
 * How many connections a process with so many files may take, and how many of them may be sockets (RO1). The rest is for its
 * store and threads, for calls of models and files of people; a sixteenth of the connections, for whoever asks by HTTP.
 */
export function roomFor(files: number): { readonly connections: number; readonly sockets: number } {
  if (files === Number.POSITIVE_INFINITY) return { connections: files, sockets: files };
  const connections = Math.max(8, files - Math.max(64, Math.ceil(files / 8)));
  return { connections, sockets: connections - Math.ceil(connections / 16) };
}
