using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Kedge.Demo;

namespace Kedge.SystemTests.Packages;

/// <summary>What is in the packages, as the tools of their distributions see it.</summary>
[Collection(nameof(PackageTests))]
public sealed class ContentTests(BuiltPackages packages)
{
    // What must be there, whatever the format.
    private static readonly string[] Everywhere =
    [
        "bin/kedge", "bin/kedge-wg", "share/man/man1/kedge.1.gz", "share/man/man1/kedge-wg.1.gz", "share/bash-completion/completions/kedge",
    ];

    // What is packed, whatever program other tests run: out/kedge is a link to it.
    private static readonly string Program = Repository.PathOf("out/bin/kedge");

    private static readonly string[] Units = ["kedge-controller.service", "kedge-link@.service", "kedge-node@.service"];

    [Fact]
    public void The_deb_has_program_units_pages_and_a_private_folder_for_settings()
    {
        string[] lines = BuiltPackages.Run("dpkg-deb", "--contents", packages.Deb).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Dictionary<string, string> modes = lines.Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .ToDictionary(words => words[5], words => $"{words[0]} {words[1]}");

        foreach (string file in (string[])[
            .. Everywhere.Select(file => $"./usr/{file}"), .. Units.Select(unit => $"./usr/lib/systemd/system/{unit}"),
            "./usr/share/zsh/vendor-completions/_kedge", "./usr/share/doc/kedge/copyright", "./usr/share/doc/kedge/changelog.Debian.gz"])
            Assert.Contains(file, modes);
        Assert.Equal("-rwxr-xr-x root/root", modes["./usr/bin/kedge"]);
        Assert.Equal("drwxr-x--- root/root", modes["./etc/kedge/"]);
        Assert.All(modes.Values, mode => Assert.EndsWith(" root/root", mode, StringComparison.Ordinal));
    }

    [Fact]
    public void The_deb_names_the_libraries_that_the_program_loads()
    {
        string depends = BuiltPackages.Run("dpkg-deb", "--field", packages.Deb, "Depends");

        Assert.Equal(["libc6 (>= 2.34)", "libssl3 | libssl3t64", "libsqlite3-0"], depends.Trim().Split(", "));
    }

    [Fact]
    public void The_program_needs_no_newer_library_than_the_packages_say()
    {
        string program = BuiltPackages.Run("readelf", "--dynamic", "--version-info", "--wide", Program);

        IEnumerable<string> linked = program.Split('\n').Where(line => line.Contains("(NEEDED)", StringComparison.Ordinal));
        Assert.All(linked, line => Assert.Matches(@"\[(libc\.so\.6|libm\.so\.6|ld-linux-.*)\]", line));
        IEnumerable<Version> versions = Regex.Matches(program, @"GLIBC_(\d+\.\d+)")
            .Select(match => Version.Parse(match.Groups[1].Value));
        Assert.True(versions.Max() <= new Version(2, 34), $"The program needs glibc {versions.Max()}.");
    }

    [Fact]
    public void Lintian_finds_no_error_in_the_debs()
    {
        CommandResult result = RunningProcess.Run(
            new Command("lintian", "--fail-on", "error", "--tag-display-limit", "0", packages.Deb, packages.DebOfSymbols)
            {
                Timeout = TimeSpan.FromMinutes(3),
            });

        Assert.True(result.Succeeded, result.Output + result.Error);
        Assert.DoesNotContain("E:", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void The_symbols_are_where_a_debugger_looks_for_those_of_each_program()
    {
        string usr = Path.GetDirectoryName(Path.GetDirectoryName(Program))!;
        string[] programs = [Program, .. Directory.GetFiles(Path.Combine(usr, "lib/kedge"), "kedge", SearchOption.AllDirectories)];

        string contents = BuiltPackages.Run("dpkg-deb", "--contents", packages.DebOfSymbols);

        Assert.All(programs, program =>
        {
            string id = Regex.Match(BuiltPackages.Run("readelf", "--notes", "--wide", program), "Build ID: ([0-9a-f]+)").Groups[1].Value;
            Assert.Contains($"./usr/lib/debug/.build-id/{id[..2]}/{id[2..]}.debug", contents, StringComparison.Ordinal);
        });
    }

    [Fact]
    public void The_rpm_has_the_same_files_and_needs_the_same_libraries()
    {
        string[] files = BuiltPackages.Run("rpm", "--query", "--package", "--list", packages.Rpm).Split('\n');
        string[] needed = BuiltPackages.Run("rpm", "--query", "--package", "--requires", packages.Rpm).Split('\n');
        string modes = BuiltPackages.Run("rpm", "--query", "--package", "--queryformat", "[%{FILENAMES} %{FILEMODES:perms} %{FILEUSERNAME}\n]", packages.Rpm);

        foreach (string file in (string[])[
            .. Everywhere.Select(file => $"/usr/{file}"), .. Units.Select(unit => $"/usr/lib/systemd/system/{unit}"), "/usr/share/zsh/site-functions/_kedge"])
            Assert.Contains(file, files);
        foreach (string library in (string[])["libc.so.6(GLIBC_2.34)(64bit)", "libcrypto.so.3()(64bit)", "libssl.so.3()(64bit)", "libsqlite3.so.0()(64bit)"])
            Assert.Contains(library, needed);
        Assert.Contains("/etc/kedge drwxr-x--- root\n", modes, StringComparison.Ordinal);
        Assert.Contains("/usr/bin/kedge -rwxr-xr-x root\n", modes, StringComparison.Ordinal);
    }

    [Fact]
    public void The_rpm_unpacks_to_a_program_that_runs()
    {
        string root = Path.Combine(packages.TempFolder, "rpm");
        Directory.CreateDirectory(root);

        BuiltPackages.Run("rpm", "--root", root, "--install", "--nodeps", "--noscripts", packages.Rpm);

        Assert.StartsWith("kedge ", BuiltPackages.Run(Path.Combine(root, "usr/bin/kedge"), "version"), StringComparison.Ordinal);
        BuiltPackages.Run("rpm", "--root", root, "--erase", "--noscripts", "kedge");
        Assert.False(File.Exists(Path.Combine(root, "usr/bin/kedge")));
    }

    [Fact]
    public void The_sum_of_each_file_is_in_the_checksums_and_no_other()
    {
        string sums = Path.Combine(packages.Folder, "SHA256SUMS");

        BuiltPackages.Run("sh", "-c", "cd \"$1\" && sha256sum --check --strict SHA256SUMS", "sh", packages.Folder);
        IEnumerable<string> listed = File.ReadLines(sums).Select(line => line[66..]);
        IEnumerable<string> present = Directory.GetFiles(packages.Folder).Select(file => Path.GetFileName(file)).Where(name => !name.StartsWith("SHA256SUMS", StringComparison.Ordinal));
        Assert.Equal(present.Order(StringComparer.Ordinal), listed.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void The_signature_is_of_the_checksums_and_of_nothing_else()
    {
        string publicKey = Path.Combine(packages.TempFolder, "key.pub"), changed = Path.Combine(packages.TempFolder, "changed");
        string sums = Path.Combine(packages.Folder, "SHA256SUMS");
        BuiltPackages.Run("openssl", "pkey", "-in", packages.Key, "-pubout", "-out", publicKey);
        string[] Verify(string file) =>
            ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", publicKey, "-rawin", "-in", file, "-sigfile", $"{sums}.sig"];

        BuiltPackages.Run(Verify(sums));
        File.WriteAllText(changed, File.ReadAllText(sums) + "\n");
        Assert.False(RunningProcess.Run(new Command(Verify(changed))).Succeeded);
    }

    [Fact]
    public void The_bill_of_materials_has_what_cyclonedx_requires_and_each_compiled_library()
    {
        JsonNode bill = JsonNode.Parse(File.ReadAllText(packages.Sbom))!;
        JsonArray components = bill["components"]!.AsArray();
        JsonNode program = bill["metadata"]!["component"]!;

        Assert.Equal("CycloneDX", (string?)bill["bomFormat"]);
        Assert.Equal("1.6", (string?)bill["specVersion"]);
        Assert.Matches("^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$", (string?)bill["serialNumber"]);
        Assert.Equal(BuiltPackages.Version, (string?)program["version"]);
        Assert.Equal(BuiltPackages.Run("sha256sum", Program)[..64], (string?)program["hashes"]![0]!["content"]);
        Assert.All(components, component =>
        {
            Assert.Equal("library", (string?)component!["type"]);
            Assert.NotEmpty((string)component["name"]!);
            Assert.NotEmpty((string)component["version"]!);
            Assert.NotEmpty((string?)component["licenses"]![0]!["license"]!["id"] ?? (string)component["licenses"]![0]!["license"]!["name"]!);
        });
        string[] references = [.. components.Select(component => (string)component!["bom-ref"]!)];
        Assert.Equal(references.Distinct(), references);
        Assert.All(bill["dependencies"]!.AsArray().SelectMany(one => one!["dependsOn"]!.AsArray()), one => Assert.Contains((string)one!, references));
        // What the projects refer to, and what the program is seen to link with and to load.
        foreach (string name in (string[])["System.CommandLine", "Microsoft.Data.Sqlite.Core", "Microsoft.NETCore.App.Runtime.NativeAOT.linux-x64"])
            Assert.Contains(components, component => (string?)component!["name"] == name && component["hashes"]![0]!["content"]!.ToString().Length == 128);
        foreach (string library in (string[])["libc.so.6", "libm.so.6", "libcrypto.so.3", "libssl.so.3", "libsqlite3.so.0", "libmceliece.so.1"])
            Assert.Contains($"soname:{library}", references);
    }
}
