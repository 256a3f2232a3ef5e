import type { Locator, Page } from "@playwright/test";
import { Server } from "../support/server.ts";
import { ask, finishedFrames, generate, newProject, openStudio } from "../support/studio.ts";
import { expect, expectAccessible, hydrated, keepScreenshot, serverForThisFile, test } from "../support/test.ts";

const server = serverForThisFile();

const wallOf = (page: Page): Locator => page.getByRole("region", { name: "All takes" });
const cellsOf = (page: Page): Locator => wallOf(page).locator(".wall-cell");
const takeAt = (page: Page, number: number): Locator => cellsOf(page).nth(number - 1).locator(".wall-take");

/** Fills in the number of takes and the step at which they pause, and generates. */
async function generateTakes(page: Page, prompt: string, steps: number, takes: number, pauseAt = ""): Promise<void> {
  await page.getByRole("spinbutton", { name: "Takes" }).fill(String(takes));
  await page.getByRole("spinbutton", { name: "Pause at step" }).fill(pauseAt);
  await page.getByRole("spinbutton", { name: "Seed" }).fill("40");
  await generate(page, prompt, steps);
}

/** Waits until every cell says this. */
async function allSay(page: Page, count: number, words: string): Promise<void> {
  await expect(cellsOf(page).locator(".wall-said")).toHaveText(Array<string>(count).fill(words), { timeout: 60_000 });
}

test("takes are seen at once while they form, and a click opens one in the viewer", async ({ page, request }) => {
  const project = await newProject(request, server.url, undefined, 192);
  await openStudio(page, server.url, project);
  await generateTakes(page, "a red circle on a white background", 60, 4);
  await expect(cellsOf(page)).toHaveCount(4);
  await expect(takeAt(page, 1).locator(".wall-said")).toHaveText(/^Step [1-9]\d*\/60$/);
  await expect(takeAt(page, 4).locator(".wall-said")).toHaveText("Waiting");
  await expect(takeAt(page, 2).locator("img")).toHaveAttribute("src", /^\/media\/\w+\.png/);
  // Its preview changes.
  const address = await takeAt(page, 1).locator("img").getAttribute("src");
  await expect(takeAt(page, 1).locator("img")).not.toHaveAttribute("src", address ?? "");
  await expect(page.locator("#picture")).toBeHidden();
  await takeAt(page, 3).hover();
  await expect(takeAt(page, 3).locator(".wall-seed")).toHaveCSS("opacity", "1");
  await expect(takeAt(page, 3).locator(".wall-seed")).toHaveText("Seed 42");
  await expectAccessible(page);
  await allSay(page, 4, "Finished");
  await expect(wallOf(page).getByRole("status")).toHaveText("4 takes: 4 finished");
  await expect(wallOf(page).getByRole("button", { name: /^Finish chosen/ })).toHaveCount(0);
  await takeAt(page, 2).click();
  await expect(wallOf(page)).toHaveCount(0);
  await expect(page.locator("#picture")).toBeVisible();
  const frames = await (await request.get(`${server.url}/api/v1/projects/${project}/frames`)).json();
  const takes = await (await request.get(`${server.url}/api/v1/frames/${frames[0].id}/takes`)).json();
  expect(takes.find((take: { selected: boolean }) => take.selected).seed).toBe(41);

  // The button opens it again, it stays open over a reload, and Escape closes it.
  const opener = page.getByRole("button", { name: "All takes at once" });
  await expect(opener).toBeFocused();
  await opener.click();
  await expect(takeAt(page, 1)).toBeFocused();
  await expect(takeAt(page, 2)).toHaveAttribute("aria-pressed", "true");
  await page.reload();
  await hydrated(page);
  await expect(cellsOf(page)).toHaveCount(4);
  await page.keyboard.press("Escape");
  await expect(wallOf(page)).toHaveCount(0);
  await page.keyboard.press("w");
  await expect(cellsOf(page)).toHaveCount(4);
  // A number opens a finished take.
  await page.keyboard.press("4");
  await expect(wallOf(page)).toHaveCount(0);
  await expect.poll(async () => (await (await request.get(`${server.url}/api/v1/projects/${project}/frames`)).json())[0].selected_take_id).toBe(takes.find((take: { seed: number }) => take.seed === 43).id);
  await page.reload();
  await hydrated(page);
  await expect(opener).toBeVisible();
  await expect(wallOf(page)).toHaveCount(0);
});

test("a frame with one take has no wall, and another frame does not show it", async ({ page, request }) => {
  const project = await newProject(request, server.url);
  await finishedFrames(request, server.url, project, 1);
  const { frame_id } = await ask(request, server.url, project, { prompt: "a blue square", steps: 2, num_variants: 2 });
  await openStudio(page, server.url, project);
  const opener = page.getByRole("button", { name: "All takes at once" });
  await page.locator(`.clip-button`).nth(1).click();
  await expect(opener).toBeVisible();
  await page.keyboard.press("w");
  await expect(cellsOf(page)).toHaveCount(2);
  await page.locator(".clip-button").first().click();
  await expect(wallOf(page)).toHaveCount(0);
  await expect(opener).toHaveCount(0);
  await page.keyboard.press("w");
  await expect(wallOf(page)).toHaveCount(0);
  await page.locator(".clip-button").nth(1).click();
  await expect(cellsOf(page)).toHaveCount(2);
  // A third take that is made elsewhere joins them.
  await ask(request, server.url, project, { prompt: "a blue square", steps: 2, frame_id });
  await allSay(page, 3, "Finished");
  // The wall's keys are in the list of keys.
  await page.keyboard.press("?");
  await expect(page.getByRole("region", { name: "Keyboard" })).toContainText("finish the chosen takes");
});

test("rough takes are chosen with keys and finished, over a reload and a restart of the server", async ({ page, request, consoleMessages }) => {
  const server = new Server();
  try {
    await server.start();
    const project = await newProject(request, server.url);
    await openStudio(page, server.url, project);
    await generateTakes(page, "a green star on a white background", 40, 5, "8");
    await allSay(page, 5, "Paused at step 8 of 40");
    const finish = wallOf(page).getByRole("button", { name: /^Finish chosen/ });
    await expect(finish).toBeDisabled();
    await expect(wallOf(page).getByRole("button", { name: /^Discard the others/ })).toHaveCount(0);
    await expectAccessible(page);
    for (const key of ["2", "4", "4", "5"]) await page.keyboard.press(key);
    await expect(takeAt(page, 5)).toBeFocused();
    await expect(finish).toHaveText("Finish chosen (2)");
    await keepScreenshot(page, "wall-rough");
    await page.reload();
    await hydrated(page);
    await allSay(page, 5, "Paused at step 8 of 40");
    expect(await server.stop(), "exit status").toBe(0);
    await server.start();
    await page.goto(`${server.url}/projects/${project}`);
    await hydrated(page);
    await allSay(page, 5, "Paused at step 8 of 40");
    await expect(finish).toHaveText("Finish chosen (2)");
    for (const chosen of [2, 5]) await expect(takeAt(page, chosen)).toHaveAttribute("aria-pressed", "true");

    // X discards the take that has the focus, and "Undo" brings it back: it stops at the step again.
    await page.keyboard.press("ArrowRight");
    await expect(takeAt(page, 1)).toBeFocused();
    await page.keyboard.press("x");
    await expect(cellsOf(page)).toHaveCount(4);
    await expect(takeAt(page, 1)).toBeFocused();
    await expect(takeAt(page, 1)).toHaveAccessibleName("Take 1, Paused at step 8 of 40. Seed 41");
    await expect(page.locator(".message")).toHaveCount(0);
    await wallOf(page).getByRole("button", { name: "Undo discard (1)" }).click();
    await allSay(page, 5, "Paused at step 8 of 40");

    await takeAt(page, 3).focus();
    await page.keyboard.press("Enter");
    const said = cellsOf(page).locator(".wall-said");
    await expect(said).toHaveText([/.*/, "Finished", /.*/, /.*/, "Finished"], { timeout: 60_000 });
    await expect(said).toHaveText(["Paused at step 8 of 40", "Finished", "Paused at step 8 of 40", "Paused at step 8 of 40", "Finished"]);
    await expect(finish).toBeDisabled();
    await wallOf(page).getByRole("button", { name: "Discard the others (3)" }).click();
    await expect(cellsOf(page)).toHaveCount(2);
    await allSay(page, 2, "Finished");
    await expect(page.locator(".message")).toHaveCount(0);
    await expect(wallOf(page).getByRole("button", { name: "Undo discard (3)" })).toBeVisible();
    // A finished take is deleted, which the message offers to undo.
    await wallOf(page).getByRole("button", { name: "Discard take 2" }).click();
    await expect(cellsOf(page)).toHaveCount(1);
    await page.locator(".message", { hasText: "Take deleted." }).getByRole("button", { name: "Undo" }).click();
    await allSay(page, 2, "Finished");
    const tasks = await (await request.get(`${server.url}/api/v1/tasks?project_id=${project}`)).json();
    const ends = tasks.map((task: { seed: number; status: string; step: number }) => [task.seed, task.status]);
    expect(ends.sort()).toEqual([[40, "cancelled"], [41, "completed"], [42, "cancelled"], [43, "cancelled"], [44, "completed"]]);
    const ours = consoleMessages.filter((message) => !message.includes("ERR_CONNECTION_REFUSED"));
    expect(ours).toEqual([]);
    consoleMessages.length = 0;
    await page.goto("about:blank");
  } finally {
    await server.stop();
    server.clean();
  }
});

test("a step that is too late is said at its field", async ({ page, request, consoleMessages }) => {
  const project = await newProject(request, server.url);
  await openStudio(page, server.url, project);
  await generateTakes(page, "a red circle", 8, 2, "8");
  await expect(page.getByText("Pause at step must be a whole number from 1 to 7, not 8: the picture has 8 steps.")).toBeVisible();
  await expect(page.getByRole("spinbutton", { name: "Pause at step" })).toHaveAttribute("aria-invalid", "true");
  // The server refuses it: only it knows how many steps the picture has.
  expect(consoleMessages.every((message) => message.includes("422"))).toBe(true);
  consoleMessages.length = 0;
  await expect(wallOf(page)).toHaveCount(0);
});

test.describe("on a phone", () => {
  test.use({ hasTouch: true, viewport: { width: 360, height: 740 } });

  test("takes are chosen, discarded and finished by touch", async ({ page, request }) => {
    const project = await newProject(request, server.url);
    await openStudio(page, server.url, project);
    await generateTakes(page, "a yellow square on a black background", 20, 4, "5");
    await allSay(page, 4, "Paused at step 5 of 20");
    await expect(takeAt(page, 1).locator(".wall-seed")).toHaveText("Seed 40");
    await expectAccessible(page);
    expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
    await keepScreenshot(page, "wall-phone");
    await takeAt(page, 3).tap();
    await expect(takeAt(page, 3)).toHaveAttribute("aria-pressed", "true");
    await page.getByRole("button", { name: "Discard take 2" }).tap();
    await expect(cellsOf(page)).toHaveCount(3);
    await wallOf(page).getByRole("button", { name: "Finish chosen (1)" }).tap();
    await expect(takeAt(page, 2).locator(".wall-said")).toHaveText("Finished", { timeout: 60_000 });
    await takeAt(page, 2).tap();
    await expect(wallOf(page)).toHaveCount(0);
    await expect(page.locator("#picture")).toBeVisible();
  });
});
