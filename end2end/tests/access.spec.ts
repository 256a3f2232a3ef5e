import { newProject } from "../support/studio.ts";
import { expect, expectAccessible, hydrated, keepScreenshot, serverForThisFile, test } from "../support/test.ts";

const password = "a lantern in the fog";
const server = serverForThisFile("--password", password);

test("a person signs in, works, and signs out", async ({ page, consoleMessages }) => {
  await page.goto(server.url);
  await expectAccessible(page);
  await keepScreenshot(page, "sign-in");
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await hydrated(page);
  const project = await newProject(page.request, server.url);
  await page.goto(`${server.url}/projects/${project}`);
  await hydrated(page);
  await expectAccessible(page);
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page.getByLabel("Password")).toBeVisible();
  expect((await page.request.get(`${server.url}/api/v1/projects`)).status()).toBe(401);
  // The browser logs the status of the sign-in page.
  expect(consoleMessages.filter((message) => message.includes("401"))).toHaveLength(1);
  consoleMessages.splice(0, 1);
});
