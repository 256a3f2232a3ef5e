import type { Page } from "@playwright/test";
import { newProject, openStudio } from "../support/studio.ts";
import { expect, expectAccessible, hydrated, serverForThisFile, test } from "../support/test.ts";

const server = serverForThisFile();

const picker = (page: Page) => page.getByRole("combobox", { name: "LoRA" });
const weight = (page: Page, name: string) => page.getByRole("spinbutton", { name: `Weight of ${name}` });
const slider = (page: Page, name: string) => page.getByRole("slider", { name: `Weight of ${name}` });
const textWeight = (page: Page, name: string) => page.getByRole("spinbutton", { name: `Text encoders' weight of ${name}` });
const posted = (page: Page) => page.locator('input[name="draft[loras]"]').inputValue();

test("chips are added by name, weighed by slider and number, kept over a reload, and removed", async ({ page, request }) => {
  const project = await newProject(request, server.url);
  await openStudio(page, server.url, project);
  for (const name of ["ink", "a \"quoted\" name"]) {
    await picker(page).fill(name);
    await picker(page).press("Enter");
    await expect(picker(page)).toHaveValue("");
    await expect(weight(page, name)).toHaveValue("1");
  }
  // The same file twice would be refused.
  await picker(page).fill("ink");
  await picker(page).press("Enter");
  await expect(page.getByRole("button", { name: /^Remove / })).toHaveCount(2);

  await weight(page, "ink").fill("0.7");
  await expect(slider(page, "ink")).toHaveValue("0.7");
  await slider(page, "ink").press("ArrowRight");
  await expect(weight(page, "ink")).toHaveValue("0.75");
  await weight(page, "ink").fill("-30");
  await weight(page, "ink").press("Tab");
  await expect(weight(page, "ink")).toHaveValue("-20");
  await weight(page, "ink").fill("");
  await weight(page, "ink").press("Tab");
  await expect(weight(page, "ink")).toHaveValue("-20");
  await weight(page, "ink").fill("0.5");
  await page.getByText("Text encoders", { exact: true }).first().click();
  await textWeight(page, "ink").fill("0.25");
  await expectAccessible(page);

  const both = '[{"name":"ink","unet_weight":0.5,"text_weight":0.25},{"name":"a \\"quoted\\" name","unet_weight":1.0}]';
  expect(await posted(page)).toBe(both);
  await page.reload();
  await hydrated(page);
  await expect(weight(page, "ink")).toHaveValue("0.5");
  expect(await posted(page)).toBe(both);

  // Emptied, the text encoders have the UNet's weight again.
  await page.getByText("Text encoders", { exact: true }).first().click();
  await textWeight(page, "ink").fill("");
  await textWeight(page, "ink").press("Tab");
  await expect.poll(() => posted(page)).not.toContain("text_weight");
  await page.getByRole("button", { name: "Remove ink" }).click();
  await expect(picker(page)).toBeFocused();
  await page.getByRole("button", { name: 'Remove a "quoted" name' }).click();
  await expect.poll(() => posted(page)).toBe("");
});

test("weights outside their limits are told at the chips", async ({ page, request }) => {
  const project = await newProject(request, server.url);
  await openStudio(page, server.url, project);
  await picker(page).fill("ink");
  await picker(page).press("Enter");
  await page.getByRole("textbox", { name: "Prompt", exact: true }).fill("a red circle");
  await weight(page, "ink").fill("30");
  await weight(page, "ink").press("Control+Enter");
  await expect(page.getByText("LoRA has the weight 30 for ink; it must be a number from -20 to 20.")).toBeVisible();
  await expect(picker(page)).toBeFocused();
});

test("a server without models says so on the library's page, and a link adds a LoRA file", async ({ page, request }) => {
  const project = await newProject(request, server.url, "Shelf");
  await page.goto(server.url);
  await hydrated(page);
  await page.getByRole("link", { name: "Library" }).click();
  await hydrated(page);
  await expect(page.getByRole("heading", { level: 1, name: "Library" })).toBeVisible();
  await expect(page.getByText("This server has no library.")).toBeVisible();
  await expectAccessible(page);
  await page.goto(`${server.url}/projects/${project}?lora=ink`);
  await hydrated(page);
  await expect(weight(page, "ink")).toHaveValue("1");
  await expect(page).toHaveURL(new RegExp(`/projects/${project}$`));
});
