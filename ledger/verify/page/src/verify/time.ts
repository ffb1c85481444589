// Instants: RFC 3339, UTC, whole seconds, "Z". Inside, they are seconds since 1970.

import { MalformedError } from "./errors";

const INSTANT = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$/;

/** The last second of the year 9999. */
export const MAX_TIME = 253_402_300_799;

/** Read an instant. Throws MalformedError. */
export function parseTime(text: string): number {
  if (!INSTANT.test(text)) throw new MalformedError("an instant is written 2026-11-25T08:44:00Z");
  const milliseconds = Date.parse(text);
  // Date takes the 31st of February for the 3rd of March, and 24:00 for the next day.
  if (Number.isNaN(milliseconds) || text.startsWith("0000") || encodeTime(milliseconds / 1_000) !== text) {
    throw new MalformedError("no such day or time of day");
  }
  return milliseconds / 1_000;
}

/** Write an instant between the years 1 and 9999. */
export function encodeTime(seconds: number): string {
  return `${new Date(seconds * 1_000).toISOString().slice(0, 19)}Z`;
}

/** Write a chain's time as RFC 3339; beyond the year 9999 as the number it is. */
export function moment(seconds: bigint): string {
  return seconds <= MAX_TIME ? encodeTime(Number(seconds)) : `second ${seconds}`;
}
