using System.CommandLine;
using System.Reflection;
using System.Runtime.InteropServices;
using Kedge.Crypto;
using Kedge.Crypto.Kem;
using Kedge.Linux.Processes;
using Kedge.Protocol;
using Kedge.Startup;

namespace Kedge.Commands;

/// <summary><c>kedge version</c>.</summary>
internal sealed class VersionCommand : Command
{
    private readonly Option<bool> _verbose = new("--verbose") { Description = "Also tell what the program runs on." };

    private readonly Option<bool> _crash = new("--crash") { Description = "Crash, to try what a report says.", Hidden = true };

    public VersionCommand()
        : base("version", "Show the version.")
    {
        Options.Add(_verbose);
        Options.Add(_crash);
        SetAction(call =>
        {
            if (call.GetValue(_crash))
                throw new InvalidOperationException("This is a crash that was asked for.");
            Assembly program = typeof(VersionCommand).Assembly;
            Console.Out.WriteLine($"kedge {program.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion}");
            if (!call.GetValue(_verbose))
                return;
            Console.Out.WriteLine($"form     {Form()}");
            Console.Out.WriteLine($"system   {RuntimeInformation.OSDescription}");
            Console.Out.WriteLine($"program  {Environment.ProcessPath}");
            Console.Out.WriteLine($"cipher   {WgDevice.ChooseCipher()}");
            foreach (string kem in ChooseKems())
                Console.Out.WriteLine($"kem      {kem}");
            Console.Out.WriteLine($"library  {LibcryptoVersion.Text} (libcrypto)");
            Console.Out.WriteLine($"library  SQLite {SharedLibrary.Version("libsqlite3.so.0", "sqlite3_libversion") ?? "is not installed"}");
        });
    }

    private static string Form()
    {
        string runtime = $"{RuntimeInformation.FrameworkDescription} ({RuntimeInformation.RuntimeIdentifier})";
        if (!PacketProgram.IsNative)
            return $"compiled as it runs by {runtime}";
        string level = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? $" for x86-64-{PacketProgram.Name(PacketProgram.Level)}" : "";
        return $"native{level}, {runtime}, build ID {BuildId.OfThis() ?? "none"}";
    }

    private static IReadOnlyList<string> ChooseKems()
    {
        try
        {
            return Kems.Implementations;
        }
        catch (PlatformNotSupportedException e)
        {
            throw new UserError(e.Message, e);
        }
    }
}
