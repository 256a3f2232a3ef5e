import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { APIRequestContext, Page } from "@playwright/test";
import { writeLora } from "../support/lora.ts";
import { Server } from "../support/server.ts";
import { ask, generate, newProject, openStudio } from "../support/studio.ts";
import { expect, expectAccessible, hydrated, keepScreenshot, test } from "../support/test.ts";

const tiny = path.resolve(import.meta.dirname, "../../crates/sdxl/tests/fixtures/tiny/diffusers");

/** A tiny SDXL model, two LoRA files for it, one of a distilled kind by its name, and a file that is none. */
function shelf(): string {
  const folder = mkdtempSync(path.join(tmpdir(), "emberline-library-"));
  for (const name of ["checkpoints", "loras"]) mkdirSync(path.join(folder, name));
  cpSync(tiny, path.join(folder, "checkpoints/base"), { recursive: true });
  const unet = path.join(tiny, "unet/diffusion_pytorch_model.safetensors");
  const lora = (name: string, seed: number, metadata: Record<string, string>) =>
    writeLora(path.join(folder, "loras", `${name}.safetensors`), unet, seed, metadata);
  lora("ink", 1, { "modelspec.title": "Ink drawings", "modelspec.trigger_phrase": "ink drawing" });
  lora("sdxl_lightning_8step_lora", 2, {});
  for (let i = 0; i < 60; i++) lora(`many ${String(i).padStart(2, "0")}`, 100 + i, {});
  writeFileSync(path.join(folder, "loras/broken.safetensors"), "no tensors");
  return folder;
}

const server = new Server();
let folder = "";
test.beforeAll(() => {
  folder = shelf();
  return server.start("--device", "cpu", "--model", path.join(folder, "checkpoints/base"), "--models", folder);
});
test.afterAll(async () => {
  expect(await server.stop(), "the server's exit status").toBe(0);
  server.clean();
  rmSync(folder, { recursive: true, force: true });
});

/** Waits until the files are scanned. */
async function scanned(request: APIRequestContext): Promise<void> {
  const count = async () => (await (await request.get(`${server.url}/api/v1/library?search=many&limit=100`)).json()).length;
  await expect.poll(count, { timeout: 30_000 }).toBe(60);
}

const picker = (page: Page) => page.getByRole("combobox", { name: "LoRA" });
const weight = (page: Page, name: string) => page.getByRole("spinbutton", { name: `Weight of ${name}` });

/** Adds a LoRA file by the start of its name. */
async function addLora(page: Page, typed: string, name: string): Promise<void> {
  await picker(page).fill(typed);
  await page.getByRole("option", { name: new RegExp(`^${name}`) }).click();
  await expect(weight(page, name)).toHaveValue("1");
}

test("a LoRA file is added, weighed and recorded, and changes the picture", async ({ page, request }) => {
  await scanned(request);
  const project = await newProject(request, server.url, undefined, 64);
  await openStudio(page, server.url, project);
  await addLora(page, "in", "ink");
  await page.getByRole("button", { name: "Insert trigger words of ink" }).click();
  await expect(page.getByRole("textbox", { name: "Prompt", exact: true })).toHaveValue("ink drawing");
  await expect(page.getByRole("textbox", { name: "Prompt", exact: true })).toBeFocused();
  await weight(page, "ink").fill("0.7");
  await expect(page.getByRole("slider", { name: "Weight of ink" })).toHaveValue("0.7");
  await page.getByRole("slider", { name: "Weight of ink" }).press("ArrowRight");
  await expect(weight(page, "ink")).toHaveValue("0.75");
  await page.getByText("Text encoders", { exact: true }).click();
  await page.getByRole("spinbutton", { name: "Text encoders' weight of ink" }).fill("0.5");
  await expectAccessible(page);
  await keepScreenshot(page, "lora-chips");

  // A reload keeps it, and a generation has it.
  await page.reload();
  await hydrated(page);
  await expect(weight(page, "ink")).toHaveValue("0.75");
  await page.getByRole("spinbutton", { name: "Seed" }).fill("7");
  await generate(page, "a red circle", 3);
  const tasks = async () => (await request.get(`${server.url}/api/v1/tasks?project_id=${project}&status=completed`)).json();
  await expect.poll(async () => (await tasks()).length, { timeout: 60_000 }).toBe(1);
  const [made] = await tasks();
  expect(made.parameters.loras).toEqual([
    { name: "ink", unet_weight: 0.75, text_weight: 0.5, hash: expect.stringMatching(/^[0-9a-f]{12}$/) },
  ]);
  const facts = page.getByRole("region", { name: "Parameters" });
  await expect(facts.getByText("ink: 0.75, text encoders 0.5")).toBeVisible();
  await expect(facts.getByText(made.parameters.loras[0].hash)).toBeVisible();

  // Without it the same seed gives another picture.
  const plain = await ask(request, server.url, project, { prompt: "a red circle", steps: 3, seed: 7 });
  await expect.poll(async () => (await tasks()).length, { timeout: 60_000 }).toBe(2);
  const picture = async (path: string) => (await (await request.get(`${server.url}${path}`)).body()).toString("base64");
  const other = await (await request.get(`${server.url}/api/v1/tasks/${plain.task_id}`)).json();
  expect(await picture(made.preview_path)).not.toBe(await picture(other.preview_path));

  // Removed, then brought back by the take's settings.
  await page.getByRole("button", { name: "Remove ink" }).click();
  await expect(weight(page, "ink")).toBeHidden();
  await expect(picker(page)).toBeFocused();
  await page.getByRole("button", { name: /^Frame 1/ }).first().click();
  await page.getByRole("button", { name: "Use these settings" }).click();
  await expect(weight(page, "ink")).toHaveValue("0.75");
});

test("a name that the library lacks is reported at the chips", async ({ page, request, consoleMessages }) => {
  await scanned(request);
  const project = await newProject(request, server.url, undefined, 64);
  await openStudio(page, server.url, project);
  await picker(page).fill("inq");
  await picker(page).press("Enter");
  await expect(page.getByText("It is not in the library.")).toBeVisible();
  await generate(page, "a red circle", 1);
  await expect(page.getByText(/^LoRA .*inq/)).toBeVisible();
  await expect(picker(page)).toBeFocused();
  // Chromium reports the refused form in its console.
  expect(consoleMessages.filter((message) => message.includes("422"))).toHaveLength(1);
  consoleMessages.splice(0, 1);
  await weight(page, "inq").fill("30");
  await weight(page, "inq").press("Tab");
  await expect(weight(page, "inq")).toHaveValue("20");
});

test("the settings of a distilled LoRA file are set by one click, and undone by another", async ({ page, request }) => {
  await scanned(request);
  const project = await newProject(request, server.url, undefined, 64);
  await openStudio(page, server.url, project);
  const field = (name: string) => page.getByLabel(name, { exact: true });
  const shown = async (values: string[]) => {
    for (const [i, name] of ["Steps", "Guidance", "Sampler", "Schedule"].entries()) await expect(field(name)).toHaveValue(values[i]!);
  };
  await field("Steps").fill("21");
  await addLora(page, "lightning", "sdxl_lightning_8step_lora");
  const before = ["21", await field("Guidance").inputValue(), await field("Sampler").inputValue(), await field("Schedule").inputValue()];
  await shown(before);
  await page.getByRole("button", { name: "Use its settings" }).click();
  await shown(["8", "1", "euler", "trailing"]);
  await expectAccessible(page);
  await page.getByRole("button", { name: "Undo", exact: true }).locator("visible=true").first().click();
  await shown(before);
  await expect(page.getByRole("button", { name: "Use its settings" })).toBeVisible();
});

test("the library lists, searches, marks favourites, says what cannot be used, and uses a file", async ({ page, request }) => {
  await scanned(request);
  const project = await newProject(request, server.url, "Shelf", 64);
  await page.goto(server.url);
  await page.getByRole("link", { name: "Library" }).click();
  await hydrated(page);
  const cards = page.locator(".library-cards > li");
  await expect(cards).toHaveCount(48);
  await page.getByRole("link", { name: "Show more" }).click();
  await expect(page).toHaveURL(/after=/);
  await hydrated(page);
  expect(await cards.count()).toBeLessThan(48);

  await page.getByRole("searchbox", { name: "Search" }).fill("ink");
  await expect(cards).toHaveCount(1);
  await expect(page).toHaveURL(/\/library\?search=ink/);
  await expect(page.getByRole("heading", { name: "Ink drawings" })).toBeVisible();
  await page.getByRole("button", { name: "Favourite: Ink drawings" }).click();
  await expect(page.getByRole("button", { name: "Favourite: Ink drawings", pressed: true })).toBeFocused();
  await page.getByRole("searchbox", { name: "Search" }).fill("");
  await page.getByRole("checkbox", { name: "Favourites" }).check();
  await expect(cards).toHaveCount(1);
  await page.reload();
  await hydrated(page);
  await expect(page.getByRole("checkbox", { name: "Favourites" })).toBeChecked();
  await page.getByRole("button", { name: "Favourite: Ink drawings" }).click();
  await expect(page.getByRole("button", { name: "Favourite: Ink drawings", pressed: false })).toBeVisible();
  await page.getByRole("checkbox", { name: "Favourites" }).uncheck();

  await page.getByRole("searchbox", { name: "Search" }).fill("broken");
  await expect(cards).toHaveCount(1);
  await expect(cards.locator(".item-problem")).not.toBeEmpty();
  await expect(cards.getByRole("link", { name: /^Use/ })).toHaveCount(0);

  await page.getByRole("searchbox", { name: "Search" }).fill("ink");
  await page.getByRole("combobox", { name: "Kind" }).selectOption("lora");
  await page.getByRole("combobox", { name: "Use in project" }).selectOption({ label: "Shelf" });
  await page.getByRole("link", { name: "Use Ink drawings" }).click();
  await hydrated(page);
  await expect(page).toHaveURL(new RegExp(`/projects/${project}$`));
  await expect(weight(page, "ink")).toHaveValue("1");
});

test("a mark makes a LoRA file a distilled one", async ({ page, request }) => {
  await scanned(request);
  await page.goto(`${server.url}/library?search=many+07`);
  await hydrated(page);
  await page.getByText("Details").click();
  await page.getByLabel("Distilled").selectOption("lcm");
  await page.getByRole("button", { name: "Set the distillation of many 07" }).click();
  await expect(page.locator(".item-distilled")).toBeVisible();
  await page.getByLabel("Distilled").selectOption("recognised");
  await page.getByRole("button", { name: "Set the distillation of many 07" }).click();
  await expect(page.locator(".item-distilled")).toHaveCount(0);
});

for (const colorScheme of ["dark", "light"] as const) {
  for (const width of [1440, 390]) {
    test.describe(`${colorScheme}, ${width} px`, () => {
      test.use({ colorScheme, viewport: { width, height: width > 600 ? 900 : 844 } });

      test("the library fits the width and is accessible", async ({ page, request }) => {
        await scanned(request);
        await newProject(request, server.url, "Shelf", 64);
        await page.goto(`${server.url}/library`);
        await hydrated(page);
        await page.getByText("Details").first().click();
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        expect(overflow, "pixels wider than the window").toBeLessThanOrEqual(0);
        await expectAccessible(page);
        await keepScreenshot(page, `library-${colorScheme}-${width}`);
      });
    });
  }
}

test.describe("without script", () => {
  test.use({ javaScriptEnabled: false });

  test("the library is searched and a favourite is marked", async ({ page, request }) => {
    await scanned(request);
    await page.goto(`${server.url}/library`);
    await page.getByRole("searchbox", { name: "Search" }).fill("many 03");
    await page.getByRole("button", { name: "Search" }).click();
    await expect(page.locator(".library-cards > li")).toHaveCount(1);
    await page.getByRole("button", { name: "Favourite: many 03" }).click();
    await expect(page.getByRole("button", { name: "Favourite: many 03", pressed: true })).toBeVisible();
  });
});
