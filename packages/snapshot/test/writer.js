// Moves amounts between rows, many transactions per second: the sum never changes, and all ledgers agree.
// node writer.js FILE TRANSACTIONS_PER_SECOND (0: as many as it can)
import { DatabaseSync } from 'node:sqlite';

const [file, rate] = process.argv.slice(2);
const db = new DatabaseSync(file, { timeout: 10_000 });
db.exec('PRAGMA synchronous = NORMAL');
const { n } = db.prepare('SELECT count(*) AS n FROM accounts').get();
const take = db.prepare('UPDATE accounts SET balance = balance - ?, filler = ? WHERE id = ?');
const give = db.prepare('UPDATE accounts SET balance = balance + ?, filler = ? WHERE id = ?');
const count = db.prepare('UPDATE counter SET n = n + 1');
const log = db.prepare('INSERT INTO moves (amount, filler) VALUES (?, ?)');
const clean = db.prepare('DELETE FROM moves WHERE id % 7 = 3 AND id < (SELECT max(id) - 50 FROM moves)');
let done = 0;

function move() {
  const amount = 1 + Math.floor(Math.random() * 100);
  const filler = 'x'.repeat(Math.floor(Math.random() * 600));
  db.exec('BEGIN IMMEDIATE');
  take.run(amount, filler, 1 + Math.floor(Math.random() * n));
  give.run(amount, filler, 1 + Math.floor(Math.random() * n));
  log.run(amount, filler);
  count.run();
  if (++done % 200 === 0) clean.run();
  db.exec('COMMIT');
}

function turn() {
  if (Number(rate) === 0) for (let i = 0; i < 50; i++) move();
  else move();
  if (done % 50 < 50) process.send?.({ done });
  if (Number(rate) === 0) setImmediate(turn);
  else setTimeout(turn, 1000 / Number(rate));
}
process.on('disconnect', () => process.exit());
turn();
