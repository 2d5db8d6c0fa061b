const replacement = '[redacted]';

/** Takes secrets out of text. */
export interface Redactor {
  redact(text: string): string;
  /** The greatest place up to `limit` where the text may be cut without cutting a match in two. 0 = nowhere. */
  cut(text: string, limit: number): number;
}

/** Undefined when there is nothing to look for, so that output need not even be decoded. */
export function createRedactor(patterns: readonly (RegExp | string)[]): Redactor | undefined {
  if (patterns.length === 0) return undefined;
  const expressions = patterns.map((pattern) =>
    typeof pattern === 'string'
      ? new RegExp(pattern.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'), 'g')
      : new RegExp(pattern.source, [...new Set([...pattern.flags.replace('y', ''), 'g'])].join('')),
  );
  return {
    redact: (text) => expressions.reduce((rest, expression) => rest.replace(expression, replacement), text),
    cut(text, limit): number {
      let at = limit;
      // A cut moved by one pattern may cut a match of another: until none moves it.
      for (let moved = true; moved;) {
        moved = false;
        for (const expression of expressions) {
          for (const match of text.matchAll(expression)) {
            if (match.index < at && match.index + match[0].length > at) {
              at = match.index;
              moved = true;
            }
          }
        }
      }
      return at;
    },
  };
}
