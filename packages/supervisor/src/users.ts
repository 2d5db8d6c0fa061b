import { readFileSync } from 'node:fs';

/** `user`, `user:group`, names or numbers → ids, from /etc/passwd and /etc/group. @throws Error when not known */
export function resolveUser(user: string | number): { uid: number; gid: number } {
  const [name = '', group] = String(user).split(':', 2);
  const entries = table('/etc/passwd');
  const entry = entries.find((fields) => fields[0] === name || fields[2] === name);
  const uid = entry === undefined ? number(name) : Number(entry[2]);
  if (uid === undefined) throw new Error(`There is no user ${name}`);
  if (group === undefined) return { uid, gid: entry === undefined ? uid : Number(entry[3]) };
  const groupEntry = table('/etc/group').find((fields) => fields[0] === group || fields[2] === group);
  const gid = groupEntry === undefined ? number(group) : Number(groupEntry[2]);
  if (gid === undefined) throw new Error(`There is no group ${group}`);
  return { uid, gid };
}

function table(path: string): string[][] {
  try {
    return readFileSync(path, 'utf8')
      .split('\n')
      .map((line) => line.split(':'));
  } catch {
    return [];
  }
}

function number(text: string): number | undefined {
  return /^\d+$/.test(text) ? Number(text) : undefined;
}
