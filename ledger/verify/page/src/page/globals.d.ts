/** The version of the release, put in by vite.config.ts. */
declare const __VERSION__: string;
