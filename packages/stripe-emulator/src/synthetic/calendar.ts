/** Seconds of a day. */
export const day: number = 86_400;

/** The same day of the month, `months` later; the month's last day when it has none. Seconds since 1970, UTC. */
export function addMonths(seconds: number, months: number): number {
  const date = new Date(seconds * 1000);
  const wanted = date.getUTCDate();
  date.setUTCDate(1);
  date.setUTCMonth(date.getUTCMonth() + months);
  const last = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();
  date.setUTCDate(Math.min(wanted, last));
  return date.getTime() / 1000;
}

/** Midnight UTC at or before. */
export function midnight(seconds: number): number {
  return seconds - (((seconds % day) + day) % day);
}

/** `26 Aug 2026`, as invoice lines write dates. */
export function dated(seconds: number): string {
  const date = new Date(seconds * 1000);
  const month = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ')[date.getUTCMonth()];
  return `${date.getUTCDate()} ${month} ${date.getUTCFullYear()}`;
}
