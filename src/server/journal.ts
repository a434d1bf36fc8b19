// Owns what of an unexpected error may be written down: its name, never its text, which may hold somebody's words (G13).

export const errorName = (error: unknown): string => (error instanceof Error ? error.name : "unknown");
