using Kedge.Demo;
using Kedge.SystemTests.Interop;

namespace Kedge.SystemTests.Startup;

/// <summary>The native program as <c>script/bootstrap</c> published it.</summary>
public sealed class NativeProgramTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("kedge-program-");

    /// <summary>A level, what <c>/proc/cpuinfo</c> calls the feature that makes the difference, and the cipher.</summary>
    public static TheoryData<string, string, string> Levels =>
        new() { { "v2", "sse4_2", "libcrypto" }, { "v3", "avx2", "avx2" }, { "v4", "avx512bw", "avx512" } };

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory]
    [MemberData(nameof(Levels))]
    public void Each_level_seals_with_the_instructions_that_it_has(string level, string flag, string cipher)
    {
        CommandResult result = Version(level);

        if (CpuFlags.Contains(flag))
        {
            Assert.Contains($"form     native for x86-64-{level}, ", result.Output, StringComparison.Ordinal);
            Assert.Contains($"cipher   ChaCha20-Poly1305 by {cipher}, ", result.Output, StringComparison.Ordinal);
        }
        else
        {
            Assert.Equal(1, result.ExitCode);
            Assert.Contains($"KEDGE_LEVEL is '{level}', which is more than this CPU has", result.Error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void The_fastest_cipher_is_chosen_without_being_asked_for()
    {
        string cipher = Levels.Last(level => CpuFlags.Contains(level.Data.Item2)).Data.Item3;
        Assert.Contains($"cipher   ChaCha20-Poly1305 by {cipher}, ", Version(level: "").Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("bin/kedge")]
    [InlineData("lib/kedge/v3/kedge")]
    [InlineData("lib/kedge/v4/kedge")]
    public void It_needs_nothing_but_the_c_library(string program)
    {
        CommandResult result = RunningProcess.Run(new Command("readelf", "--dynamic", Repository.PathOf($"out/{program}")));
        string[] libraries =
        [
            .. from line in result.Output.Split('\n')
            where line.Contains("(NEEDED)", StringComparison.Ordinal)
            select line[(line.IndexOf('[') + 1)..line.IndexOf(']')],
        ];
        Assert.NotEmpty(libraries);
        Assert.Subset(new HashSet<string> { "libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2" }, libraries.ToHashSet());
    }

    [Theory]
    [MemberData(nameof(Levels))]
    public void A_tunnel_carries_traffic_at_each_level(string level, string flag, string cipher)
    {
        string program = ProgramOf(level);
        CommandResult version = RunningProcess.Run(new Command(program, "version", "--verbose") { Environment = Level("") });
        Assert.Equal(CpuFlags.Contains(flag), version.Succeeded);
        if (!version.Succeeded)
            return; // A program for more than the CPU has does not start.
        Assert.Contains($"cipher   ChaCha20-Poly1305 by {cipher}, ", version.Output, StringComparison.Ordinal);

        using var tunnel = Tunnel.Start(program: program);
        tunnel.Handshake();
        tunnel.Kedge.Reaches(tunnel.Other.Address, 1420);
        tunnel.Other.Reaches(tunnel.Kedge.Address6, 1420);
    }

    [Theory]
    [InlineData("v2")]
    [InlineData("v3")]
    public void A_crash_report_leads_to_the_line(string level)
    {
        CommandResult crash = RunningProcess.Run(new Command(Repository.PathOf("out/kedge"), "version", "--crash") { Environment = Level(level) });
        Assert.Equal(1, crash.ExitCode);
        Assert.Contains("at Kedge.Commands.VersionCommand", crash.Error, StringComparison.Ordinal);

        CommandResult lines = RunningProcess.Run(new Command(Repository.PathOf("script/symbolize")) { Input = crash.Error });

        Assert.True(lines.Succeeded, lines.Error);
        Assert.Matches(@"VersionCommand\.cs:\d+", lines.Output);
        Assert.Matches(@"Program\.cs:\d+", lines.Output);
    }

    [Theory]
    [InlineData("v2")]
    [InlineData("v3")]
    public void A_machine_without_libcrypto_is_told_what_to_install(string level)
    {
        string library = RunningProcess.Run(new Command("/sbin/ldconfig", "-p")).Output.Split('\n')
            .First(line => line.Contains("libcrypto.so.3", StringComparison.Ordinal)).Split("=> ")[1];
        string script = $"mount --bind /dev/null {library} && exec {Repository.PathOf("out/kedge")} version --verbose";

        CommandResult result = RunningProcess.Run(new Command("unshare", "--mount", "sh", "-c", script) { Environment = Level(level) });

        Assert.Equal(1, result.ExitCode);
        Assert.StartsWith("kedge: libcrypto.so.3 was not found. Kedge needs OpenSSL 3.0 or later: install ", result.Error, StringComparison.Ordinal);
    }

    private static HashSet<string> CpuFlags { get; } =
        [.. File.ReadLines("/proc/cpuinfo").First(line => line.StartsWith("flags", StringComparison.Ordinal)).Split(' ')];

    private static CommandResult Version(string level) =>
        RunningProcess.Run(new Command(Repository.PathOf("out/kedge"), "version", "--verbose") { Environment = Level(level) });

    private static Dictionary<string, string> Level(string level) => new() { ["KEDGE_LEVEL"] = level, ["KEDGE_AEAD"] = "" };

    // The program of the lowest level carries packets itself where no other is beside it.
    private string ProgramOf(string level)
    {
        if (level != "v2")
            return Repository.PathOf($"out/lib/kedge/{level}/kedge");
        string alone = Path.Combine(_folder.FullName, "kedge");
        Repository.CopyProgram(Repository.PathOf("out/bin/kedge"), alone);
        return alone;
    }
}
