import { readFile } from "node:fs/promises";
import { dropPicture, finishedFrames, generate, newProject, openStudio, order } from "../support/studio.ts";
import { expect, expectAccessible, keepScreenshot, serverForThisFile, test } from "../support/test.ts";

const server = serverForThisFile();
const prompt = { name: "Prompt", exact: true } as const;

test("the prompt's tokens are counted, and a long one is told in chunks", async ({ page, request }) => {
  const project = await newProject(request, server.url);
  await openStudio(page, server.url, project);
  await page.getByRole("textbox", prompt).fill("a red car");
  await expect(page.getByText("3 of 75 tokens")).toBeVisible();
  await page.getByRole("textbox", prompt).fill("cat ".repeat(80));
  await expect(page.getByText("80 tokens, 2 chunks of 75")).toBeVisible();
  await page.getByRole("textbox", prompt).fill("");
  await expect(page.getByText(/tokens/)).toBeHidden();
});

test("what is read as words is told at its field, also after a reload", async ({ page, request }) => {
  const project = await newProject(request, server.url);
  await openStudio(page, server.url, project);
  await page.getByRole("textbox", prompt).fill("a red car at [10:30], [dim]");
  await expect(page.getByText(/ of 75 tokens/)).toBeVisible();
  await expect(page.getByText(/read as words/)).toHaveCount(0);
  await page.getByRole("textbox", prompt).fill("a red car # detail");
  await page.getByRole("textbox", { name: "Negative prompt" }).fill("<segm:blur>");
  const told = async () => {
    await expect(page.getByText("`# detail` is read as words: comments are not supported.")).toBeVisible();
    await expect(page.getByText("`<segm:blur>` is read as words: extra networks are not supported.")).toBeVisible();
    await expect(page.getByText(/read as words/)).toHaveCount(2);
  };
  await told();
  await expectAccessible(page);
  await page.reload();
  await told();
});

test("a list of prompts is a frame a line, in order, and prompts are remembered", async ({ page, request }) => {
  const project = await newProject(request, server.url);
  await openStudio(page, server.url, project);
  await page.getByRole("checkbox", { name: "A frame for each line" }).check();
  await generate(page, "a red circle\n\na blue square\na green triangle", 1);
  await expect.poll(() => order(request, server.url, project)).toHaveLength(3);
  const tasks = await (await request.get(`${server.url}/api/v1/tasks?project_id=${project}`)).json();
  const asked = tasks.sort((a: { id: number }, b: { id: number }) => a.id - b.id).map((task: { parameters: { prompt: string } }) => task.parameters.prompt);
  expect(asked).toEqual(["a red circle", "a blue square", "a green triangle"]);
  await page.getByRole("checkbox", { name: "A frame for each line" }).uncheck();
  await generate(page, "a yellow star", 1);
  await expect.poll(() => order(request, server.url, project)).toHaveLength(4);
  await page.getByRole("button", { name: "Recent prompts" }).click();
  // Below its button in the form, not at the window's right edge as the panels of the top bar.
  const flyout = await page.locator("#recent-prompts").boundingBox();
  expect(flyout).toMatchObject({ x: 15, y: 90 });
  await keepScreenshot(page, "recent-prompts");
  await page.getByRole("button", { name: /^a red circle/ }).click();
  await expect(page.getByRole("textbox", prompt)).toHaveValue("a red circle\n\na blue square\na green triangle");
});

test("a picture starts from another one", async ({ page, request }) => {
  const project = await newProject(request, server.url);
  await finishedFrames(request, server.url, project, 1);
  await openStudio(page, server.url, project);
  await page.getByRole("button", { name: "Use as starting picture" }).click();
  const start = page.getByRole("group", { name: "Start from this picture" });
  await expect(start).toBeVisible();
  await expect(page.getByRole("spinbutton", { name: "Strength" })).toBeFocused();
  await expect(page.getByRole("spinbutton", { name: "Strength" })).toHaveValue("0.6");
  await expectAccessible(page);
  await page.getByRole("spinbutton", { name: "Strength" }).fill("0.5");
  await generate(page, "a blue circle", 10);
  await expect.poll(() => order(request, server.url, project)).toHaveLength(2);
  const newest = async () => (await (await request.get(`${server.url}/api/v1/tasks?project_id=${project}`)).json())[0];
  expect((await newest()).parameters).toMatchObject({ strength: 0.5, init_take_id: expect.any(Number) });
  await expect.poll(async () => (await newest()).status, { timeout: 30_000 }).toBe("completed");
  await page.reload();
  await expect(start).toBeVisible();
  await page.getByRole("button", { name: "Remove" }).click();
  await expect(start).toBeHidden();
});

test("a dropped PNG fills the form with what it was made from", async ({ page, request }) => {
  const project = await newProject(request, server.url);
  await finishedFrames(request, server.url, project, 1);
  const [frame] = await (await request.get(`${server.url}/api/v1/projects/${project}/frames`)).json();
  const png = await (await request.get(`${server.url}${frame.path}`)).body();
  await openStudio(page, server.url, project);
  await dropPicture(page, png, "frame.png");
  await expect(page.getByRole("textbox", prompt)).toHaveValue("a red circle 0");
  await expect(page.getByRole("spinbutton", { name: "Steps" })).toHaveValue("1");
  await expect(page.getByRole("spinbutton", { name: "Seed" })).toHaveValue("0");

  // A JPEG from A1111: entries that do not apply are listed.
  const fixture = (name: string) => readFile(new URL(`../../crates/png_info/tests/fixtures/${name}`, import.meta.url));
  await dropPicture(page, await fixture("a1111.jpg"), "fox.jpg");
  await expect(page.getByRole("textbox", prompt)).toHaveValue("a red fox, 雪");
  await expect(page.getByRole("combobox", { name: "Sampler" })).toHaveValue("dpmpp_2m");
  await expect(page.getByRole("combobox", { name: "Schedule" })).toHaveValue("karras");
  await expect(page.getByRole("alert")).toContainText("model: sdxl_base (no model of that name is offered here)");
  // A picture without a record changes nothing.
  await dropPicture(page, await fixture("camera.jpg"), "camera.jpg");
  await expect(page.getByRole("alert")).toContainText("This picture carries no record of how it was made.");
  await expect(page.getByRole("textbox", prompt)).toHaveValue("a red fox, 雪");
});

test("a frame is duplicated, and the copy is taken back", async ({ page, request }) => {
  const project = await newProject(request, server.url);
  await finishedFrames(request, server.url, project, 2);
  const [a, b] = await order(request, server.url, project);
  await openStudio(page, server.url, project);
  await page.getByRole("button", { name: "Frame 1", exact: true }).click();
  await page.getByRole("button", { name: "Duplicate frame" }).click();
  await expect.poll(() => order(request, server.url, project)).toEqual([a, expect.any(Number), b]);
  await expect(page.getByRole("button", { name: /^Frame \d/ })).toHaveCount(3);
  await page.getByRole("button", { name: "Undo" }).click();
  await expect.poll(() => order(request, server.url, project)).toEqual([a, b]);
  await page.getByRole("button", { name: "Redo" }).click();
  await expect.poll(() => order(request, server.url, project)).toHaveLength(3);
});

test("the sequence is exported, and removed again", async ({ page, request }) => {
  const project = await newProject(request, server.url);
  await finishedFrames(request, server.url, project, 3);
  await openStudio(page, server.url, project);
  await page.getByRole("button", { name: "Export", exact: true }).first().click();
  const panel = page.getByRole("region", { name: "Export" });
  await panel.getByRole("combobox", { name: "Format" }).selectOption("zip");
  await panel.getByRole("button", { name: "Export" }).click();
  const [download] = await Promise.all([page.waitForEvent("download"), panel.getByRole("link", { name: "Download" }).click()]);
  expect(download.suggestedFilename()).toBe("Storm-over-the-bay.zip");
  const bytes = await readFile(await download.path());
  // The end of central directory of a ZIP: the number of files is at byte 10.
  const end = bytes.lastIndexOf(Buffer.from("PK\x05\x06", "latin1"));
  expect(bytes.readUInt16LE(end + 10), "three pictures and what says how long each stands").toBe(4);
  await expectAccessible(page);
  // The list comes from the server: another page shows the export.
  await page.reload();
  await page.getByRole("button", { name: "Export", exact: true }).first().click();
  await expect(panel.getByRole("link", { name: "Download" })).toBeVisible();
  await panel.getByRole("button", { name: "Remove this export" }).click();
  await expect(panel.getByRole("link", { name: "Download" })).toBeHidden();
  await expect.poll(async () => (await request.get(`${server.url}/api/v1/projects/${project}/exports`)).json()).toEqual([]);
});
