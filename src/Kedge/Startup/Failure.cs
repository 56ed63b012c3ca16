using System.Net.Sockets;
using Kedge.Linux;
using Kedge.Protocol;

namespace Kedge.Startup;

/// <summary>What a person is told of an exception that ends a command.</summary>
internal static class Failure
{
    /// <summary>
    /// The sentence for a failure that is not a defect: one that was explained already, or what the kernel has refused, which names the
    /// file and the reason. Null for a defect.
    /// </summary>
    public static string? Describe(Exception exception) => exception switch
    {
        UserError => exception.Message,
        LinuxException or SocketException => $"{exception.Message.TrimEnd('.')}.",
        IOException or UnauthorizedAccessException => exception.Message,
        _ => null,
    };
}
