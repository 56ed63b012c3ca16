using System.Text.Json;
using Kedge.Demo;
using Kedge.SystemTests.Wg;

namespace Kedge.SystemTests.Admin;

/// <summary>A machine on which a controller runs, and an administrator's calls of the program there.</summary>
public sealed class ControllerHost : IDisposable
{
    public const string Url = "https://127.0.0.1:8443";

    private readonly RunningProcess _controller;

    public ControllerHost()
    {
        Net = Topology.Create();
        Host = Net.AddHost("controller");
        _controller = Host.Start(KedgeProgram.Call(Net, "controller", "--data-dir", DataDirectory));
        _controller.WaitForLine("Ready", KedgeProgram.Patience);
        Pin = _controller.Output.Split("pin=")[1][..43];
        Run("login", "--data-dir", DataDirectory);
    }

    public Topology Net { get; }

    public Host Host { get; }

    /// <summary>The pin of a join line, as the controller shows it when it starts.</summary>
    public string Pin { get; }

    public string DataDirectory => Path.Combine(Net.TempFolder, "data");

    public string TokenFile => Path.Combine(DataDirectory, "administrator.token");

    public string LoginFile => Path.Combine(Net.TempFolder, "config", "kedge", "login.json");

    /// <summary>A call with a login of its own.</summary>
    public Command Call(params string[] arguments) => KedgeProgram.Call(Net, arguments) with
    {
        Environment = new Dictionary<string, string> { ["XDG_CONFIG_HOME"] = Path.Combine(Net.TempFolder, "config"), ["KEDGE_LOGIN_FILE"] = "" },
    };

    /// <summary>Calls the program, which must succeed.</summary>
    public CommandResult Run(params string[] arguments) => Host.Run(Call(arguments));

    /// <summary>Calls the program with <c>--json</c> and reads what it prints.</summary>
    public JsonElement Json(params string[] arguments)
    {
        using var document = JsonDocument.Parse(Run([.. arguments, "--json"]).Output);
        return document.RootElement.Clone();
    }

    /// <summary>Calls the program, which must refuse in a sentence for a person.</summary>
    /// <returns>What it says.</returns>
    public string Refusal(int exitCode, params string[] arguments) => Refusal(exitCode, Call(arguments));

    /// <inheritdoc cref="Refusal(int, string[])"/>
    public string Refusal(int exitCode, Command call)
    {
        CommandResult result = Host.TryRun(call);
        Assert.Equal(exitCode, result.ExitCode);
        Assert.Equal("", result.Output);
        Assert.StartsWith("kedge: ", result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", result.Error, StringComparison.Ordinal);
        return result.Error;
    }

    /// <summary>A name that no other test uses.</summary>
    public static string NewName(string prefix) => $"{prefix}-{Guid.NewGuid().ToString("N")[..8]}";

    /// <summary>A new zone.</summary>
    /// <returns>Its name.</returns>
    public string NewZone(string prefix = "10.7.0.0/24")
    {
        string name = NewName("zone");
        Run("zone", "create", name, "--prefix", prefix);
        return name;
    }

    /// <summary>A new stock WireGuard peer in a zone.</summary>
    /// <returns>Its name.</returns>
    public string NewNode(string zone, params string[] options)
    {
        string name = NewName("node");
        Run(["node", "create", name, "--zone", zone, "--public-key", WireGuardKeys.Generate().PublicKey, .. options]);
        return name;
    }

    public void Dispose()
    {
        _controller.Dispose();
        Net.Dispose();
    }
}
