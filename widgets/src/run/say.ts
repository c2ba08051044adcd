/** Every sentence that the widget says about a Run. */

import type { Bins } from "./bins";
import { type Range, covered } from "./layout";
import { FAILED, type Facts, type Phase, RUNNING, type Status } from "./wire";
import { count, counted, duration, length, percent, rate } from "../core/words";

const PHASES: Readonly<Record<Phase, string>> = {
  ready: "Ready",
  running: "Running",
  stopping: "Stopping",
  stopped: "Stopped",
  failed: "Failed",
  done: "Done",
  elsewhere: "Running elsewhere",
};

/** A word or two for where a Run is. */
export function phase(status: Status, connected: boolean): string {
  return connected || status.phase === "done" ? PHASES[status.phase] : "Kernel gone";
}

/** How many blocks are done, and how many went wrong. */
export function progress(status: Status, total: number): string[] {
  const parts = [`${count(status.done)} of ${counted(total, "block")}`, percent(status.done, total)];
  if (status.failed) parts.push(`${count(status.failed)} failed`);
  if (status.retried) parts.push(`${count(status.retried)} retried`);
  if (status.skipped) parts.push(`${count(status.skipped)} done before`);
  return parts;
}

/** How fast, how long so far, and how long still. */
export function pace(status: Status): string[] {
  const parts: string[] = [];
  const going = status.phase === "running" || status.phase === "elsewhere";
  if (going && status.rate !== null) parts.push(rate(status.rate));
  if (going && status.left !== null) parts.push(`${duration(status.left)} left`);
  if (status.seconds > 0) parts.push(going ? `${duration(status.seconds)} so far` : `took ${duration(status.seconds)}`);
  return parts;
}

/** What the line of code under a Run that has more to do is for; nothing to say where the page can go on by itself. */
export function advice(status: Status, code: string | null, connected: boolean): string {
  if (status.phase === "done") return "";
  if (!connected) {
    return code === null
      ? "The kernel that ran this is gone. Run the cell again."
      : "The kernel that ran this is gone; what is done is on disk. To go on from there, run:";
  }
  const ended = status.phase === "stopped" || status.phase === "failed";
  return ended && code !== null ? "What is done is on disk. To go on from there in any kernel, run:" : "";
}

/** Which part of the volume a cell of the map stands for, and how it is doing. */
export function cell(facts: Facts, bins: Bins, at: number): string {
  const total = bins.total[at] ?? 0;
  return [where(facts, covered(bins.layout, at)), how(bins, at, total)].filter(Boolean).join("  ·  ");
}

function how(bins: Bins, at: number, total: number): string {
  const [done, failed, running] = [bins.done(at), bins.count(at, FAILED), bins.count(at, RUNNING)];
  if (total === 1) return done ? "done" : failed ? "failed" : running ? "running" : "waiting";
  const parts = [`${count(done)} of ${counted(total, "block")} done`];
  if (running) parts.push(`${count(running)} running`);
  if (failed) parts.push(`${count(failed)} failed`);
  return parts.join(", ");
}

function where(facts: Facts, [leads, ...axes]: readonly [Range, Range, Range, Range]): string {
  const grid = facts.grid;
  if (grid === null) return `block ${count(axes[2][0])}`;
  const spans = axes.map(([a, b], i) => {
    const [k, first] = [grid.block[i] ?? 1, grid.first[i] ?? 0];
    return [Math.max((a + first) * k, grid.start[i] ?? 0), Math.min((b + first) * k, grid.stop[i] ?? 0)] as const;
  });
  const voxels = spans.map(([a, b], i) => `${"zyx"[i]} ${a}–${b}`).join("  ");
  const names = grid.lead.slice(leads[0], leads[1]).filter(Boolean);
  const lead = names.length > 2 ? `${names[0]} to ${names[names.length - 1]}` : names.join(", ");
  const size = grid.voxel_size;
  const nm = size && spans.map(([a, b], i) => length((b - a) * (size[i] ?? 0))).join(" × ");
  return [lead, voxels, nm].filter(Boolean).join("  ·  ");
}
