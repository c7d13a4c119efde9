const transform = {
  "\\.ts$": [
    "@swc/jest",
    {
      jsc: {
        parser: { syntax: "typescript", importAttributes: true },
        target: "es2022",
        experimental: { keepImportAttributes: true },
      },
      module: { type: "es6" },
      sourceMaps: "inline",
    },
  ],
};
const project = (displayName, testMatch) => ({
  displayName,
  testMatch: testMatch.map((glob) => `<rootDir>/tests/${glob}`),
  transform,
  extensionsToTreatAsEsm: [".ts"],
  testEnvironment: "node",
  // Jest wraps what a test leaves on its globals; signal-exit (of execa) shares one such thing, and drowns in it.
  testEnvironmentOptions: { globalsCleanup: "off" },
  transformIgnorePatterns: ["/node_modules/"],
});

/** Cheap to real: `unit` needs neither root nor Docker; `integration` needs both. */
export default {
  testTimeout: 60_000,
  coverageDirectory: "coverage",
  coverageReporters: ["text", "text-summary"],
  collectCoverageFrom: ["config/**/*.ts", "components/**/*.ts", "operations/**/*.ts"],
  coverageThreshold: { global: { lines: 90, branches: 90 } },
  projects: [
    project("unit", ["unit/**/*.test.ts", "components/**/*.test.ts", "conformance/**/*.test.ts"]),
    {
      ...project("integration", ["integration/**/*.test.ts"]),
      globalSetup: "<rootDir>/tests/support/global-setup.ts",
      globalTeardown: "<rootDir>/tests/support/global-teardown.ts",
    },
  ],
};
