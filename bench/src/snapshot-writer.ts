// Commits a number of transactions per second and tells how long each commit took; bench/src/snapshot.ts starts it.
import { DatabaseSync } from 'node:sqlite';

const [file = '', perSecond = '50'] = process.argv.slice(2);
const db = new DatabaseSync(file, { timeout: 10_000 });
db.exec('PRAGMA synchronous = NORMAL');
const { n } = db.prepare('SELECT max(id) AS n FROM rows').get() as { n: number };
const update = db.prepare(`UPDATE rows SET payload = 'changed ' || hex(randomblob(200)) WHERE id = ?`);
let times: number[] = [];

const timer = setInterval(
  () => {
    const started = performance.now();
    db.exec('BEGIN IMMEDIATE');
    for (let i = 0; i < 10; i++) update.run(1 + Math.floor(Math.random() * n));
    db.exec('COMMIT');
    times.push(performance.now() - started);
  },
  1000 / Number(perSecond),
);

process.on('message', (message) => {
  if (message === 'times') {
    process.send?.({ times });
    times = [];
  }
});
process.on('disconnect', () => {
  clearInterval(timer);
  db.close();
});
process.send?.({ ready: true });
