using System.Diagnostics;
using System.Xml.Linq;

namespace Kedge.SystemTests.Soak;

/// <summary>
/// Kedge.Crypto with the OpenSSL 3.5 and the libmceliece of Debian 13, whatever release this machine has: a root of that one is made from
/// the mirror that apt uses here, and the unit tests, as they were built beside these, run inside it on this machine's .NET.
/// </summary>
public sealed class OpenSsl35Tests(ITestOutputHelper output)
{
    private const string VersionTest = "Kedge.Tests.Crypto.LibcryptoTests.The_loaded_library_is_the_expected_version_of_openssl";
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(15);

    /// <summary>
    /// $1 the mirror, $2 .NET, $3 the tests, $4 the folder of Wycheproof or nothing. Writes the results to standard output and the rest to
    /// standard error. What it makes lies in one folder, which every process started here keeps locked, so that the next run
    /// tells what a killed one left from what is in use; mounts are seen by these processes alone and end with them. The tests are
    /// started as a program of their own, because some of them start it again.
    /// </summary>
    private const string Script =
        """
        set -eu
        temporary=${TMPDIR:-/tmp}
        for old in "$temporary"/kedge-test-trixie-*; do
            [ ! -e "$old/lock" ] || flock --nonblock "$old/lock" rm -rf --one-file-system "$old" || true
        done
        command -v debootstrap >/dev/null || apt-get install -y debootstrap >&2

        home=$(mktemp -d "$temporary/kedge-test-trixie-XXXXXX")
        trap 'rm -rf --one-file-system "$home"' EXIT
        trap 'exit 1' HUP INT TERM
        exec 9>"$home/lock"
        flock 9
        unshare --mount --pid --fork --mount-proc --kill-child sh -eu -c '
            root=$1
            debootstrap --variant=minbase --include=libssl3t64,libmceliece1 trixie "$root" "$2" >&2
            mkdir "$root/dotnet" "$root/tests" "$root/wycheproof"
            mount --bind "$3" "$root/dotnet"
            mount --bind "$4" "$root/tests"
            [ -z "$5" ] || mount --bind "$5" "$root/wycheproof"
            mount -t proc proc "$root/proc"
            chroot "$root" env -i PATH=/usr/bin:/bin HOME=/root DOTNET_ROOT=/dotnet KEDGE_OPENSSL=3.5 ${5:+KEDGE_WYCHEPROOF=/wycheproof} \
                /tests/Kedge.Tests -namespace Kedge.Tests.Crypto -namespace "Kedge.Tests.Crypto.*" \
                -noColor -xml /results.xml >&2 || true
            cat "$root/results.xml"
        ' sh "$home/root" "$@"
        """;

    [Fact]
    [Trait("Category", "Soak")]
    public async Task Every_test_of_the_cryptography_passes_with_openssl_3_5()
    {
        (string results, string log) = await RunScript();
        output.WriteLine(log);
        XElement[] tests = [.. XDocument.Parse(results).Descendants("test")];
        Assert.Contains(tests, test => test.Attribute("name")!.Value == VersionTest);
        // Quotes stand behind backslashes there.
        foreach (string library in (string[])["openssl", "libmceliece"])
            Assert.Contains(tests, test => test.Attribute("name")!.Value.Contains($"name: \\\"{library}\\\"", StringComparison.Ordinal));
        Assert.Empty(tests.Where(test => test.Attribute("result")!.Value != "Pass").Select(test => test.Attribute("name")!.Value));
    }

    private static async Task<(string Results, string Log)> RunScript()
    {
        string own = AppContext.BaseDirectory, tests = own.Replace("/Kedge.SystemTests/", "/Kedge.Tests/", StringComparison.Ordinal);
        Assert.True(File.Exists(Path.Combine(tests, "Kedge.Tests.dll")), $"Kedge.Tests is not built: nothing in {tests}.");

        // The runtime lies in shared/Microsoft.NETCore.App/<version>/ below the folder that holds all of .NET.
        string dotnet = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(typeof(object).Assembly.Location)!, "..", "..", ".."));
        string wycheproof = Environment.GetEnvironmentVariable("KEDGE_WYCHEPROOF") ?? "";
        var start = new ProcessStartInfo("sh", ["-c", Script, "sh", DebianMirror.Uri, dotnet, tests, wycheproof])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(start)!;
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(Patience);
        try
        {
            Task<string> results = process.StandardOutput.ReadToEndAsync(patience.Token);
            Task<string> log = process.StandardError.ReadToEndAsync(patience.Token);
            await process.WaitForExitAsync(patience.Token);
            Assert.True(process.ExitCode == 0, $"The script ended with {process.ExitCode}:\n{await log}");
            return (await results, await log);
        }
        finally
        {
            // Where it has not ended, the next run removes its folder.
            process.Kill(entireProcessTree: true);
        }
    }
}
